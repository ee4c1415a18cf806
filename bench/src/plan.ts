/** What is measured, in sections whose rows are interleaved, and which ratios are read off. */
import type { Job, LotteryPart, OperandTypes, Shape, TokenModel, UnitWork } from './jobs.ts'

export const SUBJECTS = {
  nacre: 'Nacre, WASM',
  revectorize: 'Nacre, WASM with revectorize',
  scalar: 'Nacre, plain TypeScript',
  reference: 'protocol reference',
  onnxruntime: 'onnxruntime-node',
  onednn: 'oneDNN',
  onednnAvx2: 'oneDNN held to AVX2',
  openblas: 'OpenBLAS sgemm',
  llama2c: 'llama2.c -O3',
  llama2cFast: 'llama2.c -Ofast',
} as const
export type SubjectId = keyof typeof SUBJECTS

export interface RowSpec {
  readonly id: string
  readonly subject: SubjectId
  readonly label: string
  readonly job: Job
  /** Measured in the first rounds only: slow subjects need few to be known well enough. */
  readonly maxRounds?: number
  /** The figure shown besides the time: `amount` per millisecond of time. */
  readonly rate?: { readonly amount: number; readonly unit: string }
}

/** Median over the rounds of time(`of`) / time(`over`). */
export interface RatioSpec {
  readonly id: string
  readonly label: string
  readonly of: string
  readonly over: string
}

export interface SectionSpec {
  readonly id: string
  readonly topic: 'gemm' | 'lottery' | 'units' | 'tokens' | 'hash'
  /** Sections of a topic that are shown side by side. */
  readonly group: string
  readonly title: string
  readonly rounds: number
  /** Rounds that are not counted: compilers warm up in them. */
  readonly warmUps: number
  /** For each row and round. */
  readonly budgetMs: number
  readonly rows: readonly RowSpec[]
  readonly ratios: readonly RatioSpec[]
}

/** Gates and ups of the devnet's model: of a whole prompt, and of one generated token. */
export const DEVNET_GATE_UP = '64x192x1024'
export const DEVNET_DECODE = '1x192x1024'
/** Square and long products; the last dimensions are those of layers of models with 10^9 and more weights. */
const LARGE: readonly string[] = ['1024x1024x1024', '512x2048x2048', '128x4096x4096', '2048x2048x2048']
/** The matrices of a layer of the devnet's model under a whole prompt, and the largest under one token. */
const DEVNET: readonly string[] = ['64x192x384', '64x192x192', DEVNET_GATE_UP, '64x512x192', DEVNET_DECODE]

/** `m x k x n`. */
export function shapeOf(name: string): Shape {
  const [m, k, n] = name.split('x').map(Number) as [number, number, number]
  return { m, k, n }
}

export function plan(quick: boolean): SectionSpec[] {
  const rounds = (full: number): number => (quick ? 3 : full)
  const budgetMs = quick ? 15 : 40
  const large = quick ? ['1024x1024x1024', '128x4096x4096'] : LARGE
  const lotteryShapes = quick ? ['128x4096x4096'] : ['128x4096x4096', '2048x2048x2048']
  const ranks = quick ? [128] : [64, 128]
  const devnet = quick ? [DEVNET_GATE_UP] : DEVNET
  return [
    ...large.map((shape) => gemmSection(shape, rounds(15), quick ? 1 : 2, budgetMs)),
    ...devnet.map((shape) => gemmSection(shape, rounds(15), quick ? 1 : 2, budgetMs / 4)),
    ...lotteryShapes.map((shape) => lotterySection(shape, ranks, rounds(11), quick ? 1 : 2, budgetMs)),
    unitSection(rounds(25), quick ? 2 : 6, budgetMs),
    tokenSection('devnet', 'The devnet’s model', rounds(15), quick ? 1 : 3, budgetMs),
    tokenSection('checkpoint', 'A llama2.c checkpoint', rounds(15), quick ? 1 : 3, budgetMs),
    hashSection(rounds(11), 1, budgetMs / 4),
  ]
}

function gemmSection(shape: string, rounds: number, warmUps: number, budgetMs: number): SectionSpec {
  const dims = shapeOf(shape)
  const isLarge = LARGE.includes(shape)
  const rate = { amount: (2 * dims.m * dims.k * dims.n) / 1e6, unit: 'GOP/s' }
  const row = (
    id: string,
    subject: SubjectId,
    types: OperandTypes = 's8s8',
    threads = 1,
    maxRounds: number = rounds,
  ): RowSpec => {
    const kind = types !== 'f32' && NAMES_TYPES.has(subject) ? `, ${TYPE_NAMES[types]}` : ''
    const label = `${SUBJECTS[subject]}${kind}${threads === 1 ? '' : `, ${threads} threads`}`
    return { id: `${shape}/${id}`, subject, label, job: { kind: 'gemm', ...dims, types, threads }, rate, maxRounds }
  }
  const ratio = (id: string, label: string, of: string, over: string): RatioSpec => ({
    id: `${shape}/${id}`,
    label,
    of: `${shape}/${of}`,
    over: `${shape}/${over}`,
  })
  return {
    id: shape,
    topic: 'gemm',
    group: isLarge ? 'Large shapes' : 'Shapes of the devnet’s model',
    title: shape.replaceAll('x', ' × '),
    ...{ rounds, warmUps, budgetMs },
    rows: [
      row('nacre', 'nacre'),
      row('revectorize', 'revectorize'),
      row('onednn', 'onednn'),
      row('ort', 'onnxruntime'),
      row('ort-u8', 'onnxruntime', 'u8s8'),
      row('onednn-u8', 'onednn', 'u8s8'),
      row('openblas', 'openblas', 'f32'),
      ...(isLarge
        ? [
            row('nacre-2', 'nacre', 's8s8', 2),
            row('revectorize-2', 'revectorize', 's8s8', 2),
            row('onednn-2', 'onednn', 's8s8', 2),
            row('onednn-avx2', 'onednnAvx2'),
          ]
        : []),
      row('scalar', 'scalar', 's8s8', 1, 5),
      row('reference', 'reference', 's8s8', 1, 5),
    ],
    ratios: [
      ratio('share', 'Nacre’s speed as a share of oneDNN s8 × s8', 'onednn', 'nacre'),
      ratio('revectorize-share', 'Nacre’s speed as a share of oneDNN s8 × s8, revectorize', 'onednn', 'revectorize'),
      ratio('over-ort', 'Nacre’s speed over onnxruntime-node s8 × s8', 'ort', 'nacre'),
      ratio('over-ort-u8', 'Nacre’s speed over onnxruntime-node u8 × s8', 'ort-u8', 'nacre'),
      ratio('over-scalar', 'Nacre’s speed over plain TypeScript', 'scalar', 'nacre'),
      ...(isLarge
        ? [
            ratio('two-threads', 'Nacre’s speed on two threads over one', 'nacre', 'nacre-2'),
            ratio(
              'two-threads-revectorize',
              'Nacre’s speed on two threads over one, revectorize',
              'revectorize',
              'revectorize-2',
            ),
            ratio('share-avx2', 'Nacre’s speed over oneDNN held to AVX2', 'onednn-avx2', 'nacre'),
            ratio(
              'revectorize-share-avx2',
              'Nacre’s speed over oneDNN held to AVX2, revectorize',
              'onednn-avx2',
              'revectorize',
            ),
            ratio('two-threads-onednn', 'oneDNN’s speed on two threads over one', 'onednn', 'onednn-2'),
          ]
        : []),
    ],
  }
}

const NAMES_TYPES: ReadonlySet<SubjectId> = new Set<SubjectId>(['onnxruntime', 'onednn', 'onednnAvx2'])
const TYPE_NAMES: Readonly<Record<OperandTypes, string>> = { s8s8: 's8 × s8', u8s8: 'u8 × s8', f32: 'f32' }

const PART_NAMES: Readonly<Record<LotteryPart, string>> = {
  plain: 'product without a lottery',
  unfolded: 'noised product, not folded',
  fold: 'noised product, folded',
  whole: 'noise, noised product, folded and denoised',
  tile: 'check of one 64 × 64 tile',
}

function lotterySection(
  shape: string,
  ranks: readonly number[],
  rounds: number,
  warmUps: number,
  budgetMs: number,
): SectionSpec {
  const dims = shapeOf(shape)
  const both: readonly SubjectId[] = ['nacre', 'revectorize']
  const name = (subject: SubjectId, part: LotteryPart, r?: number): string =>
    `lottery/${shape}/${subject}/${part}${r === undefined ? '' : `/${r}`}`
  const suffix = (subject: SubjectId): string => (subject === 'nacre' ? '' : ', revectorize')
  const row = (subject: SubjectId, part: LotteryPart, r?: number): RowSpec => ({
    id: name(subject, part, r),
    subject,
    label: `${PART_NAMES[part]}${r === undefined ? '' : `, r = ${r}`}${suffix(subject)}`,
    job: { kind: 'lottery', ...dims, part, r: r ?? 128 },
  })
  return {
    id: `lottery/${shape}`,
    topic: 'lottery',
    group: '',
    title: shape.replaceAll('x', ' × '),
    ...{ rounds, warmUps, budgetMs },
    rows: both.flatMap((subject) => [
      row(subject, 'plain'),
      row(subject, 'unfolded'),
      ...ranks.flatMap((r) => [row(subject, 'fold', r), row(subject, 'whole', r), row(subject, 'tile', r)]),
    ]),
    ratios: both.flatMap((subject) =>
      ranks.flatMap((r): RatioSpec[] => {
        const id = (what: string): string => `lottery/${shape}/${subject}/${what}/${r}`
        const label = (text: string): string => `${text}, r = ${r}${suffix(subject)}`
        const [plain, unfolded] = [name(subject, 'plain'), name(subject, 'unfolded')]
        return [
          { id: id('price'), label: label('price of the lottery'), of: name(subject, 'whole', r), over: plain },
          { id: id('folding'), label: label('price of folding alone'), of: name(subject, 'fold', r), over: unfolded },
          {
            id: id('check'),
            label: label('product over the check of a tile'),
            of: plain,
            over: name(subject, 'tile', r),
          },
        ]
      }),
    ),
  }
}

function unitSection(rounds: number, warmUps: number, budgetMs: number): SectionSpec {
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
      ratio('price-trace', 'price of the trace', 'nacre/trace-only', 'nacre/tokens-only'),
      ratio('commitment-share', 'commitment’s share of a re-execution', 'nacre/commit-trace', 'nacre/replay'),
      ratio('over-reference', 'unit’s speed over the reference', 'reference/unit', 'nacre/unit'),
      ratio('over-scalar', 'unit’s speed over plain TypeScript kernels', 'scalar/unit', 'nacre/unit'),
      ratio('replay-over-reference', 're-execution’s speed over the reference', 'reference/replay', 'nacre/replay'),
    ],
  }
}

function tokenSection(
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

function hashSection(rounds: number, warmUps: number, budgetMs: number): SectionSpec {
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
