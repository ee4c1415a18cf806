/** Runs the rows of a section in turns. */
import { type Host, messageOf } from './host/host.ts'
import type { Measured } from './jobs.ts'
import type { RatioResult, RowResult, SectionResult } from './result.ts'
import type { RowSpec, SectionSpec, SubjectId } from './section.ts'
import { ratios, spreadOf } from './stats.ts'

/** Starts subjects when they are first needed and remembers why one does not start. */
export class Hosts {
  readonly #make: (id: SubjectId) => Host
  readonly #hosts = new Map<SubjectId, Promise<Host | string>>()
  readonly versions = new Map<SubjectId, string>()
  readonly absent = new Map<SubjectId, string>()

  constructor(make: (id: SubjectId) => Host) {
    this.#make = make
  }

  /** The running subject, or why there is none. */
  get(id: SubjectId): Promise<Host | string> {
    const reason = this.absent.get(id)
    if (reason !== undefined) return Promise.resolve(reason)
    const known = this.#hosts.get(id)
    if (known !== undefined) return known
    const started = this.#start(id)
    this.#hosts.set(id, started)
    return started
  }

  async #start(id: SubjectId): Promise<Host | string> {
    const host = this.#make(id)
    try {
      this.versions.set(id, await host.start())
      return host
    } catch (error) {
      await host.stop()
      this.absent.set(id, messageOf(error))
      return messageOf(error)
    }
  }

  /** Ends all; they start afresh when they are needed again. */
  async stop(): Promise<void> {
    for (const started of this.#hosts.values()) {
      const host = await started
      if (typeof host !== 'string') await host.stop()
    }
    this.#hosts.clear()
  }
}

interface Row {
  readonly spec: RowSpec
  readonly samples: (number | null)[]
  missing: string | undefined
  note: string | undefined
  checksum: number | undefined
}

/**
 * Measures each row once a round, every round beginning with another row, so that no row always follows the same one. Warm-up rounds
 * are not counted, and slow rows (those with fewer rounds) have one of them at most.
 */
export async function runSection(
  section: SectionSpec,
  hosts: Hosts,
  progress: (done: number, of: number) => void = () => undefined,
): Promise<{ result: SectionResult; disagreements: string[] }> {
  const rows = section.rows.map(
    (spec): Row => ({ spec, samples: [], missing: undefined, note: undefined, checksum: undefined }),
  )
  const total = section.warmUps + section.rounds
  for (let turn = 0; turn < total; turn++) {
    const round = turn - section.warmUps
    for (let i = 0; i < rows.length; i++) {
      const row = rows[(i + turn) % rows.length]!
      const { maxRounds = section.rounds } = row.spec
      if (row.missing !== undefined || round >= maxRounds || (turn > 0 && round < 0 && maxRounds < section.rounds))
        continue
      const measured = await measureRow(row, section, hosts)
      if (measured !== undefined && round >= 0) row.samples[round] = measured.ms
    }
    progress(turn + 1, total)
  }
  const results = rows.map((row) => rowResult(row, section.rounds))
  return {
    result: {
      id: section.id,
      topic: section.topic,
      group: section.group,
      title: section.title,
      rows: results,
      ratios: section.ratios.map(({ id, label, of, minus, over }): RatioResult => {
        const samples = (name: string): (number | undefined)[] =>
          results.find((row) => row.id === name)?.samples.map((value) => value ?? undefined) ?? []
        return {
          id,
          label,
          ratio: spreadOf(ratios(samples(of), samples(over), minus === undefined ? undefined : samples(minus))),
        }
      }),
    },
    disagreements: disagreements(section, rows),
  }
}

async function measureRow(row: Row, section: SectionSpec, hosts: Hosts): Promise<Measured | undefined> {
  const host = await hosts.get(row.spec.subject)
  if (typeof host === 'string') {
    row.missing = host
    return undefined
  }
  const answer = await host.measure(row.spec.job, section.budgetMs)
  if (!('measured' in answer)) {
    row.missing = 'failed' in answer ? `failed: ${answer.failed}` : answer.unsupported
    return undefined
  }
  row.note ??= answer.measured.note
  row.checksum ??= answer.measured.checksum
  return answer.measured
}

function rowResult({ spec, samples, missing, note }: Row, rounds: number): RowResult {
  const { id, label, subject, rate } = spec
  const all = Array.from({ length: rounds }, (_, round) => samples[round] ?? null)
  const ms = missing === undefined ? spreadOf(all.filter((value) => value !== null)) : undefined
  return {
    id,
    label,
    subject,
    samples: missing === undefined ? all : [],
    ms,
    ...(missing === undefined ? {} : { missing }),
    ...(rate === undefined || ms === undefined ? {} : { rate: { value: rate.amount / ms.median, unit: rate.unit } }),
    ...(note === undefined ? {} : { note }),
  }
}

/** Equal shapes and operand values must give equal products; float32 operands have the values of s8 x s8. */
function disagreements(section: SectionSpec, rows: readonly Row[]): string[] {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const { job } = row.spec
    if (row.checksum === undefined) continue
    const values = job.kind === 'gemm' && job.types === 'u8s8' ? 'unsigned' : 'signed'
    groups.set(values, [...(groups.get(values) ?? []), row])
  }
  return [...groups.values()].flatMap((group) => {
    const expected = group[0]!
    return group
      .filter(({ checksum }) => checksum !== expected.checksum)
      .map(({ spec }) => `${section.title}: ${spec.label} computes another product than ${expected.spec.label}`)
  })
}
