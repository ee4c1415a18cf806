/** Whole units, tokens and hashes. */
import type { TokenModel, UnitWork } from './jobs.ts'
import { type RatioSpec, type RowSpec, type SectionSpec, SUBJECTS, type SubjectId } from './section.ts'

export function unitSection(rounds: number, warmUps: number, budgetMs: number): SectionSpec {
  const perSecond = { amount: 1000, unit: '1/s' }
  const row = (work: UnitWork, label: string, subject: SubjectId = 'nacre', maxRounds?: number): RowSpec => ({
    id: `unit/${subject}/${work}`,
    subject,
    label: subject === 'nacre' ? label : `${label}: ${SUBJECTS[subject]}`,
    job: { kind: 'unit', work },
    rate: perSecond,
    ...(maxRounds === undefined ? {} : { maxRounds }),
  })
  const ratio = (id: string, label: string, of: string, over: string): RatioSpec => ({
    id: `unit/${id}`,
    label,
    of: `unit/${of}`,
    over: `unit/${over}`,
  })
  const slow = 6
  return {
    id: 'unit',
    topic: 'units',
    group: '',
    title: 'One unit of the devnet',
    ...{ rounds, warmUps, budgetMs },
    rows: [
      row('unit', 'unit: tokens, trace, lottery'),
      row('unit-new-parent', 'unit on a parent not seen before'),
      row('trace-only', 'the same tokens and trace without the lottery'),
      row('tokens-only', 'the tokens alone'),
      row('replay', 're-execution with its commitment'),
      row('commit-trace', 'commitment to the trace'),
      row('prove-ticket', 'ticket proof, made'),
      row('verify-ticket', 'ticket proof, verified'),
      row('verify-ticket-cached', 'ticket proof, verified with W’ in memory'),
      row('open-steps', 'opening of one step'),
      row('check-steps', 'check of one step'),
      row('unit', 'unit', 'revectorize'),
      row('trace-only', 'tokens and trace', 'revectorize'),
      row('unit', 'unit', 'scalar', slow),
      row('replay', 're-execution', 'scalar', slow),
      row('unit', 'unit', 'reference', slow),
      row('replay', 're-execution', 'reference', slow),
      row('commit-trace', 'commitment to the trace', 'reference', slow),
    ],
    ratios: [
      ratio('price', 'price of the lottery', 'nacre/unit', 'nacre/trace-only'),
      ratio('price-new-parent', 'price of the lottery on a new parent', 'nacre/unit-new-parent', 'nacre/trace-only'),
      ratio('price-revectorize', 'price of the lottery, revectorize', 'revectorize/unit', 'revectorize/trace-only'),
      ratio('over-replay', 'a unit’s time over its re-execution', 'nacre/unit', 'nacre/replay'),
      ratio('price-trace', 'price of the trace', 'nacre/trace-only', 'nacre/tokens-only'),
      ratio('commitment-share', 'commitment’s share of a re-execution', 'nacre/commit-trace', 'nacre/replay'),
      ratio('over-reference', 'unit’s speed over the reference', 'reference/unit', 'nacre/unit'),
      ratio('over-scalar', 'unit’s speed over plain TypeScript kernels', 'scalar/unit', 'nacre/unit'),
      ratio('replay-over-reference', 're-execution’s speed over the reference', 'reference/replay', 'nacre/replay'),
    ],
  }
}

/** WRK-4: `jobs.paidDrawPpm` must be below every ratio here. */
export function redrawSection(rounds: number, warmUps: number, budgetMs: number): SectionSpec {
  const families: readonly SubjectId[] = ['nacre', 'revectorize', 'simd']
  const lengths = [16, 64, 96] as const
  const id = (subject: SubjectId, work: UnitWork): string => `redraw/${subject}/${work}`
  const row = (subject: SubjectId, work: UnitWork, label: string): RowSpec => ({
    id: id(subject, work),
    subject,
    label: `${label}: ${SUBJECTS[subject]}`,
    job: { kind: 'unit', work },
  })
  return {
    id: 'redraw',
    topic: 'redraw',
    group: '',
    title: 'The tickets of a unit, drawn again from a kept trace',
    ...{ rounds, warmUps, budgetMs },
    rows: families.flatMap((subject) => [
      row(subject, 'unit', 'a whole bootstrap unit'),
      ...lengths.map((length) =>
        row(subject, `redraw-${length}`, `as many tickets from a prompt of ${length}, nothing else`),
      ),
    ]),
    ratios: families.flatMap((subject) =>
      lengths.map((length) => ({
        id: `redraw/${subject}/${length}`,
        label: `a ticket drawn again over one of a bootstrap unit, prompt of ${length}: ${SUBJECTS[subject]}`,
        of: id(subject, `redraw-${length}`),
        over: id(subject, 'unit'),
      })),
    ),
  }
}

export function tokenSection(
  model: TokenModel,
  title: string,
  rounds: number,
  warmUps: number,
  budgetMs: number,
): SectionSpec {
  const row = (subject: SubjectId, phase: 'prompt' | 'decode', threads = 1): RowSpec => ({
    id: `tokens/${model}/${subject}/${phase}/${threads}`,
    subject,
    label: `${phase}: ${SUBJECTS[subject]}${threads === 1 ? '' : `, ${threads} threads`}`,
    job: { kind: 'tokens', model, phase, threads },
    rate: { amount: 1000, unit: 'tokens/s' },
  })
  const own: readonly SubjectId[] = ['nacre', 'revectorize']
  const others: readonly SubjectId[] = model === 'checkpoint' ? ['llama2c', 'llama2cFast'] : []
  const name = (subject: SubjectId, phase: string, threads = 1): string =>
    `tokens/${model}/${subject}/${phase}/${threads}`
  const two = (phase: string): RatioSpec => ({
    id: `tokens/${model}/${phase}/two-threads`,
    label: `${phase}: two threads over one`,
    of: name('nacre', phase),
    over: name('nacre', phase, 2),
  })
  return {
    id: `tokens/${model}`,
    topic: 'tokens',
    group: '',
    title,
    ...{ rounds, warmUps, budgetMs },
    rows: [
      ...own.flatMap((subject) =>
        (['prompt', 'decode'] as const).flatMap((phase) => [1, 2].map((threads) => row(subject, phase, threads))),
      ),
      // It takes prompts token by token, so there is one figure.
      ...others.map((subject) => row(subject, 'decode')),
    ],
    ratios: [
      two('prompt'),
      two('decode'),
      ...others.flatMap((subject): RatioSpec[] =>
        (['prompt', 'decode'] as const).map((phase) => ({
          id: `tokens/${model}/${phase}/over-${subject}`,
          label: `${phase}: Nacre’s speed over ${SUBJECTS[subject]}`,
          of: name(subject, 'decode'),
          over: name('nacre', phase),
        })),
      ),
    ],
  }
}

export function hashSection(rounds: number, warmUps: number, budgetMs: number): SectionSpec {
  const sizes: readonly (readonly [number, string])[] = [
    [64, '64 B'],
    [1024, '1 KiB'],
    [65_536, '64 KiB'],
    [1 << 20, '1 MiB'],
  ]
  const name = (subject: SubjectId, bytes: number): string => `hash/${subject}/${bytes}`
  return {
    id: 'hash',
    topic: 'hash',
    group: '',
    title: 'Keyed BLAKE3',
    ...{ rounds, warmUps, budgetMs },
    rows: sizes.flatMap(([bytes, size]) =>
      (['nacre', 'reference'] as const).map(
        (subject): RowSpec => ({
          id: name(subject, bytes),
          subject,
          label: `${size}: ${subject === 'nacre' ? 'fast hash' : 'reference'}`,
          job: { kind: 'hash', bytes },
          rate: { amount: bytes / 1e6, unit: 'GB/s' },
        }),
      ),
    ),
    ratios: sizes.map(([bytes, size]) => ({
      id: `hash/${bytes}`,
      label: `${size}: fast hash over reference`,
      of: name('reference', bytes),
      over: name('nacre', bytes),
    })),
  }
}
