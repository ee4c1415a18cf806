/** Whether selection prefers any unit, any secret or any step (AUD-1). */
import {
  isAudited,
  type ModelDims,
  sampleSteps,
  stepAt,
  stepCount,
  stepShares,
  WEIGHINGS,
  type Weighing,
  weighingOf,
} from '@nacre/protocol'
import { seedOf } from './seeds.ts'
import { binomialCounts, type ChiSquare, chiSquare, pearson } from './statistics.ts'
import { nameOf } from './units.ts'

export interface UnitSelection {
  readonly ratePpm: number
  readonly secrets: number
  readonly units: number
  /** Of all pairs of a secret and a unit. */
  readonly selected: number
  /** How often each unit is chosen by the secrets, and how many units each secret chooses. */
  readonly perUnit: ChiSquare
  readonly perSecret: ChiSquare
  /** Whether two secrets choose independently: how often both of a pair choose a unit. */
  readonly together: ChiSquare
}

export function unitSelection(ratePpm: number, secrets: number, units: number): UnitSelection {
  const p = ratePpm / 1e6
  const ids = Array.from({ length: units }, (_, i) => seedOf('selection/unit', ratePpm, i))
  const perUnit = Array<number>(units).fill(0)
  let together = 0
  const perSecret: number[] = []
  let before: boolean[] = []
  for (let s = 0; s < secrets; s++) {
    const secret = seedOf('selection/secret', ratePpm, s)
    const chosen = ids.map((id) => isAudited(secret, id, ratePpm))
    chosen.forEach((isChosen, i) => {
      if (!isChosen) return
      perUnit[i]!++
      // Pairs (0, 1), (2, 3), ...: they have no secret in common.
      if (s % 2 === 1 && before[i]!) together++
    })
    perSecret.push(chosen.filter(Boolean).length)
    before = chosen
  }
  return {
    ...{ ratePpm, secrets, units, selected: perSecret.reduce((sum, count) => sum + count, 0) },
    perUnit: binomialCounts(perUnit, secrets, p),
    perSecret: binomialCounts(perSecret, units, p),
    together: binomialCounts([together], Math.floor(secrets / 2) * units, p * p),
  }
}

export interface StepSelection {
  readonly weighing: Weighing
  readonly draws: number
  /** Steps that can be drawn. */
  readonly steps: number
  /** Single steps; those with fewer than five expected draws count together. */
  readonly perStep: ChiSquare
  /** Which of an audit's draws it is, against its kind: the first is like the last. */
  readonly perDraw: ChiSquare
}

/** Draws of `audits` audits of one shape against the weights of its steps. */
export function stepSelection(
  dims: ModelDims,
  promptTokens: number,
  newTokens: number,
  audits: number,
  perAudit: number,
): StepSelection[] {
  const shape = { promptTokens, newTokens, dims }
  const byDraw = Array.from({ length: perAudit }, () => new Map<string, number>())
  const sharesOf = stepShares(shape)
  const all = Array.from({ length: stepCount(shape) }, (_, i) => stepAt(shape, i))
  for (let i = 0; i < audits; i++)
    sampleSteps(seedOf('selection/steps', i), shape, perAudit).forEach((ref, j) => {
      const name = nameOf(ref)
      byDraw[j]!.set(name, (byDraw[j]!.get(name) ?? 0) + 1)
    })
  return WEIGHINGS.map((weighing): StepSelection => {
    const own = byDraw.filter((_, j) => weighingOf(j) === weighing)
    const draws = audits * own.length
    const drawable = all.filter((ref) => sharesOf(ref)[weighing] > 0)
    const cells = drawable.map((ref) => ({
      seen: own.reduce((sum, counts) => sum + (counts.get(nameOf(ref)) ?? 0), 0),
      wanted: sharesOf(ref)[weighing] * draws,
    }))
    const common = cells.filter(({ wanted }) => wanted >= 5)
    const few = cells.filter(({ wanted }) => wanted < 5)
    const together = { seen: sum(few, 'seen'), wanted: sum(few, 'wanted') }
    const tested = together.wanted >= 5 ? [...common, together] : common
    const kinds = new Map<string, number>()
    for (const ref of drawable) kinds.set(ref.kind, (kinds.get(ref.kind) ?? 0) + sharesOf(ref)[weighing])
    // `shape` and `input` weigh next to nothing: what is left are all draws.
    const large = [...kinds].filter(([, share]) => share * audits >= 5)
    const statistic = own.flatMap((counts) =>
      large.map(([kind, share]) => {
        const seen = [...counts].reduce((total, [name, n]) => total + (name.startsWith(`${kind}/`) ? n : 0), 0)
        return (seen - share * audits) ** 2 / (share * audits)
      }),
    )
    return {
      ...{ weighing, draws, steps: drawable.length },
      perStep: pearson(
        tested.map(({ seen }) => seen),
        tested.map(({ wanted }) => wanted),
      ),
      perDraw: chiSquare(
        statistic.reduce((total, each) => total + each, 0),
        own.length * (large.length - 1),
      ),
    }
  })
}

const sum = (cells: readonly Readonly<Record<'seen' | 'wanted', number>>[], name: 'seen' | 'wanted'): number =>
  cells.reduce((total, cell) => total + cell[name], 0)
