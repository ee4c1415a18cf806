/** Products alone: plain ones, and those of the lottery on large shapes. */
import type { LotteryPart, OperandTypes, Shape } from './jobs.ts'
import { type RatioSpec, type RowSpec, type SectionSpec, SUBJECTS, type SubjectId } from './section.ts'

/** Gates and ups of the devnet's model: of a whole prompt, and of one generated token. */
export const DEVNET_GATE_UP = '64x192x1024'
export const DEVNET_DECODE = '1x192x1024'
/** Square and long products; the last dimensions are those of layers of models with 10^9 and more weights. */
export const LARGE_SHAPES: readonly string[] = ['1024x1024x1024', '512x2048x2048', '128x4096x4096', '2048x2048x2048']
/** The matrices of a layer of the devnet's model under a whole prompt, and the largest under one token. */
export const DEVNET_SHAPES: readonly string[] = [
  '64x192x384',
  '64x192x192',
  DEVNET_GATE_UP,
  '64x512x192',
  DEVNET_DECODE,
]

/** `m x k x n`. */
function shapeOf(name: string): Shape {
  const [m, k, n] = name.split('x').map(Number) as [number, number, number]
  return { m, k, n }
}

export function gemmSection(shape: string, rounds: number, warmUps: number, budgetMs: number): SectionSpec {
  const dims = shapeOf(shape)
  const isLarge = LARGE_SHAPES.includes(shape)
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
      row('simd', 'simd'),
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
  unfolded: 'noised product, denoised, not folded',
  fold: 'noised product, denoised, folded',
  whole: 'the same with the noise from its seed',
  tile: 'check of one tile',
}

export function lotterySection(
  shape: string,
  ranks: readonly number[],
  rounds: number,
  warmUps: number,
  budgetMs: number,
): SectionSpec {
  const dims = shapeOf(shape)
  const all: readonly SubjectId[] = ['nacre', 'simd', 'revectorize']
  const name = (subject: SubjectId, part: LotteryPart, r?: number): string =>
    `lottery/${shape}/${subject}/${part}${r === undefined ? '' : `/${r}`}`
  const suffixes: Partial<Record<SubjectId, string>> = { simd: ', without relaxed SIMD', revectorize: ', revectorize' }
  const suffix = (subject: SubjectId): string => suffixes[subject] ?? ''
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
    rows: all.flatMap((subject) => [
      row(subject, 'plain'),
      ...ranks.flatMap((r) => [
        row(subject, 'unfolded', r),
        row(subject, 'fold', r),
        row(subject, 'whole', r),
        row(subject, 'tile', r),
      ]),
    ]),
    ratios: all.flatMap((subject) =>
      ranks.flatMap((r): RatioSpec[] => {
        const id = (what: string): string => `lottery/${shape}/${subject}/${what}/${r}`
        const label = (text: string): string => `${text}, r = ${r}${suffix(subject)}`
        const plain = name(subject, 'plain')
        return [
          { id: id('price'), label: label('price of the lottery'), of: name(subject, 'whole', r), over: plain },
          {
            id: id('folding'),
            label: label('folding alone, share of the product'),
            of: name(subject, 'fold', r),
            minus: name(subject, 'unfolded', r),
            over: plain,
          },
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
