import { describe, expect, test } from 'vitest'
import type { Answer, Host } from '../src/host/host.ts'
import type { Job, Measured } from '../src/jobs.ts'
import { Hosts, runSection } from '../src/rounds.ts'
import type { RowSpec, SectionSpec, SubjectId } from '../src/section.ts'

const product: Job = { kind: 'gemm', types: 's8s8', m: 1, k: 1, n: 1, threads: 1 }

const row = (subject: SubjectId, more: Partial<RowSpec> = {}): RowSpec => ({
  id: subject,
  subject,
  label: subject,
  job: product,
  ...more,
})

const section = (rows: RowSpec[], more: Partial<SectionSpec> = {}): SectionSpec => ({
  id: 's',
  topic: 'gemm',
  group: '',
  title: 'S',
  rounds: 3,
  warmUps: 1,
  budgetMs: 1,
  rows,
  ratios: [],
  ...more,
})

/** Hosts that answer from functions, with a log of who was asked. */
function fakes(answers: Partial<Record<SubjectId, (call: number) => Answer | Measured>>): {
  hosts: Hosts
  log: string[]
} {
  const log: string[] = []
  const make = (id: SubjectId): Host => {
    let calls = 0
    return {
      start: async () => {
        if (answers[id] === undefined) throw new Error(`no ${id} here`)
        return `${id} 1`
      },
      measure: async () => {
        log.push(id)
        const answer = answers[id]!(calls++)
        return 'ms' in answer ? { measured: answer } : answer
      },
      stop: async () => undefined,
    }
  }
  return { hosts: new Hosts(make), log }
}

describe('rounds', () => {
  test('rows take turns, each round begins with another row, and warm-ups do not count', async () => {
    const { hosts, log } = fakes({
      nacre: (call) => ({ ms: 10 + call, runs: 1 }),
      onednn: (call) => ({ ms: 1 + call, runs: 1 }),
    })
    const { result } = await runSection(section([row('nacre'), row('onednn')]), hosts)
    expect(log).toEqual(['nacre', 'onednn', 'onednn', 'nacre', 'nacre', 'onednn', 'onednn', 'nacre'])
    expect(result.rows.map(({ samples }) => samples)).toEqual([
      [11, 12, 13],
      [2, 3, 4],
    ])
  })

  test('a slow row is measured in the first rounds only', async () => {
    const { hosts } = fakes({ reference: (call) => ({ ms: call + 1, runs: 1 }) })
    const { result } = await runSection(section([row('reference', { maxRounds: 2 })]), hosts)
    expect(result.rows[0]).toMatchObject({ samples: [2, 3, null], ms: { median: 2.5, count: 2 } })
  })

  test('rates and ratios come from medians', async () => {
    const { hosts } = fakes({ nacre: () => ({ ms: 4, runs: 1 }), onednn: () => ({ ms: 1, runs: 1 }) })
    const rate = { amount: 8, unit: 'GOP/s' }
    const ratios = [
      { id: 'share', label: 'share', of: 'onednn', over: 'nacre' },
      { id: 'none', label: 'none', of: 'onednn', over: 'absent' },
    ]
    const { result } = await runSection(section([row('nacre', { rate }), row('onednn')], { ratios }), hosts)
    expect(result.rows[0]!.rate).toEqual({ value: 2, unit: 'GOP/s' })
    expect(result.ratios[0]!.ratio).toMatchObject({ median: 0.25, count: 3 })
    expect(result.ratios[1]!.ratio).toBeUndefined()
  })

  test('what cannot run is skipped with its reason, and the others go on', async () => {
    const { hosts } = fakes({
      nacre: () => ({ ms: 1, runs: 1 }),
      openblas: () => ({ unsupported: 'no int8' }),
      scalar: () => ({ failed: 'out of memory' }),
    })
    const { result } = await runSection(section([row('nacre'), row('onednn'), row('openblas'), row('scalar')]), hosts)
    expect(result.rows.map(({ missing }) => missing)).toEqual([
      undefined,
      'no onednn here',
      'no int8',
      'failed: out of memory',
    ])
    expect(result.rows[0]!.ms?.count).toBe(3)
    expect(hosts.absent.get('onednn')).toBe('no onednn here')
  })

  test('a subject that computes another product is found', async () => {
    const { hosts } = fakes({
      nacre: () => ({ ms: 1, runs: 1, checksum: 5 }),
      onnxruntime: () => ({ ms: 1, runs: 1, checksum: 6 }),
      onednn: () => ({ ms: 1, runs: 1, checksum: 5 }),
    })
    const rows = [row('nacre'), row('onnxruntime'), row('onednn')]
    const { disagreements } = await runSection(section(rows), hosts)
    expect(disagreements).toEqual(['S: onnxruntime computes another product than nacre'])
  })
})
