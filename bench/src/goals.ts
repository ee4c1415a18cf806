/** What the kernels are meant to reach, judged by the run itself. A ratio counts by its median. */
import { pearlRow } from './pearl-section.ts'
import type { GoalResult, Result, SectionResult } from './result.ts'
import type { Spread } from './stats.ts'

/** Cores that other processes may keep busy on a machine that is called quiet. */
const QUIET_CORES = 0.1

/** Where the goals apply. */
export const GOAL_MACHINE = 'a quiet machine with two x86-64 cores and AVX-512 VNNI'

interface Goal {
  readonly text: string
  /** A ratio's id, or `ms:` and a row's. */
  readonly of: string
  readonly comparison: GoalResult['comparison']
  readonly target: number
}

const least = (of: string, target: number, text: string): Goal => ({ of, target, text, comparison: 'at least' })
const most = (of: string, target: number, text: string): Goal => ({ of, target, text, comparison: 'at most' })
const spelled = (shape: string): string => shape.replaceAll('x', ' × ')

const CUBE = '1024x1024x1024'
const LARGE_CUBE = '2048x2048x2048'
const LONG = '128x4096x4096'

/** The lottery's price is a ratio: the kernels with the fastest plain product pay the highest. */
const FAMILIES = [
  { subject: 'nacre', kernels: 'relaxed SIMD' },
  { subject: 'simd', kernels: 'SIMD128' },
] as const

const GOALS: readonly Goal[] = [
  ...[CUBE, LARGE_CUBE].flatMap((shape) => [
    least(`${shape}/share`, 0.19, `kernel without flags, share of oneDNN s8 × s8, ${spelled(shape)}`),
    least(`${shape}/over-ort`, 2.5, `kernel without flags over onnxruntime-node s8 × s8, ${spelled(shape)}`),
    least(`${shape}/revectorize-share`, 0.45, `kernel with revectorize, share of oneDNN s8 × s8, ${spelled(shape)}`),
    least(`${shape}/two-threads`, 1.85, `two threads over one, ${spelled(shape)}`),
  ]),
  ...FAMILIES.flatMap(({ subject, kernels }) =>
    [
      { shape: LARGE_CUBE, target: 1.2 },
      { shape: LONG, target: 1.15 },
    ].map(({ shape, target }) =>
      most(
        `lottery/${shape}/${subject}/price/128`,
        target,
        `price of the lottery, r = 128, ${spelled(shape)}, W’ in memory, ${kernels}`,
      ),
    ),
  ),
  most('unit/price', 1.5, 'price of the lottery for the devnet’s model at its own r'),
  ...FAMILIES.flatMap(({ subject, kernels }) =>
    [LARGE_CUBE, LONG].map((shape) =>
      most(
        `lottery/${shape}/${subject}/folding/128`,
        0.02,
        `folding alone, share of the product, r = 128, ${spelled(shape)}, ${kernels}`,
      ),
    ),
  ),
  most(
    'ms:unit/nacre/verify-ticket',
    1,
    'milliseconds to verify a ticket proof of the devnet’s model, fast hash, no W’ in memory',
  ),
  most(
    `ms:${pearlRow('16 x 16, k 4096, rank 256, 131,072 rows')}`,
    2,
    'milliseconds to verify a plain proof of the largest tile of common size, 16 × 16 at k = 4096',
  ),
  least(
    `lottery/${LARGE_CUBE}/nacre/check/128`,
    400,
    `product over the check of a tile, r = 128, ${spelled(LARGE_CUBE)}`,
  ),
  least('unit/over-reference', 20, 'whole unit’s speed over the scalar reference'),
]

export function judge(sections: readonly SectionResult[]): GoalResult[] {
  return GOALS.map(({ text, of, comparison, target }) => {
    const value = measuredOf(sections, of)
    const met =
      value === undefined ? undefined : comparison === 'at least' ? value.median >= target : value.median <= target
    return { text, comparison, target, value, met }
  })
}

function measuredOf(sections: readonly SectionResult[], of: string): Spread | undefined {
  if (of.startsWith('ms:')) return sections.flatMap(({ rows }) => rows).find(({ id }) => id === of.slice(3))?.ms
  return sections.flatMap((section) => section.ratios).find(({ id }) => id === of)?.ratio
}

/** How the machine of a run differs from the one that the goals are set for. */
export function differences({ machine, load, quick }: Pick<Result, 'machine' | 'load' | 'quick'>): string[] {
  const found: string[] = []
  if (quick) found.push('a quick run: few rounds, some shapes left out')
  if (machine.arch !== 'x64') found.push(`the architecture is ${machine.arch}`)
  if (machine.cores !== 2) found.push(`it has ${machine.cores} cores`)
  if (!machine.isa.includes('avx512_vnni')) found.push('it has no AVX-512 VNNI')
  const { others, before } = load
  if (others !== undefined && others > QUIET_CORES) found.push(`other processes kept ${others.toFixed(2)} cores busy`)
  if (others === undefined && before > 0.5) found.push(`a load of ${before.toFixed(2)} before the run`)
  return found
}
