/** Miners that save work in every unit: how many audits, and how many units, until they are caught. */
import { executeUnit, type KeyedHash, type Model, type Params, type Shares, type UnitTask } from '@nacre/protocol'
import { finds } from './detection.ts'
import { fewerLayers, fourBits, garble, keptBesides, keptLayers, keptTrace, skipDecode } from './forge.ts'
import { auditors, auditRate, ppmOf, secretsOf, survival, unitChance } from './rates.ts'
import { seedOf } from './seeds.ts'
import { quantileOf, type Share, wilson } from './statistics.ts'
import { delivered, wrongSteps } from './units.ts'

/** What a miner commits to instead of the model's trace. */
export interface Cheat {
  readonly name: string
  trace(model: Model, task: UnitTask): ReturnType<typeof executeUnit>
}

/** The ones that draws by multiplications alone would miss: they compute little or nothing. */
export const KEPT_TRACE = 'opens the trace of quite another prompt'
export const KEPT_LAYERS = 'computes the first attention, takes all behind it from the trace of another prompt'

export const CHEATS: readonly Cheat[] = [
  { name: 'garbles everything', trace: (model, task) => garble(model, task, 1) },
  { name: 'skips the decode, makes rows up', trace: (model, task) => skipDecode(model, task, 1, false) },
  { name: 'skips the decode, repeats the last row', trace: (model, task) => skipDecode(model, task, 1, true) },
  { name: KEPT_TRACE, trace: (model, task) => keptTrace(model, task, 1) },
  { name: KEPT_LAYERS, trace: (model, task) => keptLayers(model, task, 1) },
  {
    name: 'opens the trace of a prompt that differs in its last token, forged where the two meet',
    trace: (model, task) => keptBesides(model, task),
  },
  {
    name: 'serves a model of half the layers',
    trace: (model, task) => fewerLayers(model, task, Math.floor(model.config.nLayers / 2)),
  },
  {
    name: 'serves the model without its last layer',
    trace: (model, task) => fewerLayers(model, task, model.config.nLayers - 1),
  },
  { name: 'serves weights of 4 bits', trace: (model, task) => executeUnit(fourBits(model), task) },
]

/** A miner's record when it begins to cheat. */
export interface Stage {
  readonly name: string
  /** Units that ended without fraud. */
  readonly matured: number
  /** Honest units at stake. */
  readonly atStake: number
}

export interface CheaterOptions {
  readonly model: Model
  readonly hash: KeyedHash
  readonly task: UnitTask
  readonly params: Params
  readonly stages: readonly Stage[]
  readonly verifiers: number
  /** Miners of each row at most. */
  readonly miners: number
}

/** A count until a miner is caught. */
export interface Until {
  /** Miners, with seeds 0 to miners - 1. */
  readonly miners: number
  /** Least k that theory gives at least 99 % for. */
  readonly quantile: number
  /** Miners caught within it. */
  readonly within: Share
  /** 99 % quantile and maximum of what was observed. */
  readonly observedQuantile: number
  readonly observedMax: number
}

export interface CheaterRow {
  readonly name: string
  readonly wrongSteps: number
  readonly steps: number
  readonly shares: Shares
  /** Chance that one audit finds it. */
  readonly chance: number
  readonly audits: Until
  readonly units: readonly (Until & { readonly stage: string })[]
}

const Q = 0.99
/** Units that are looked at for one row, about: there would be no end to those of careful cheats. */
const MOST_LOOKS = 400_000

function until(counts: readonly number[], missed: (k: number) => number): Until {
  const quantile = quantileOf(missed, Q)
  const sorted = counts.toSorted((a, b) => a - b)
  return {
    miners: counts.length,
    quantile,
    within: wilson(counts.filter((count) => count <= quantile).length, counts.length),
    observedQuantile: sorted[Math.ceil(Q * sorted.length) - 1]!,
    observedMax: sorted.at(-1)!,
  }
}

export function cheaters(options: CheaterOptions, done: (row: CheaterRow) => void = () => undefined): CheaterRow[] {
  return CHEATS.map((cheat) => {
    const row = cheater(options, cheat)
    done(row)
    return row
  })
}

function cheater(options: CheaterOptions, cheat: Cheat): CheaterRow {
  const { model, hash, task, params, verifiers, miners } = options
  const wrong = wrongSteps(delivered(model, task, cheat.trace(model, task), hash))
  const unit = { task, wrong, forged: wrong.wrong }
  const { steps } = params.audits
  const chance = wrong.chance(steps)
  const seeds = (most: number): number[] => Array.from({ length: Math.min(miners, most) }, (_, i) => i)
  const audits = seeds(Math.ceil((MOST_LOOKS / 8) * chance)).map((seed) => {
    for (let k = 1; ; k++) if (finds(unit, model, seedOf(`cheat/${cheat.name}/audit`, seed, k), steps)) return k
  })
  const units = options.stages.map((stage) => {
    const rates: { readonly rate: number; readonly ppm: number }[] = []
    const rateOf = (k: number): { readonly rate: number; readonly ppm: number } => {
      while (rates.length < k) {
        const rate = auditRate(params, { ...stage, atStake: stage.atStake + rates.length })
        rates.push({ rate, ppm: ppmOf(rate, verifiers) })
      }
      return rates[k - 1]!
    }
    const lateChance = unitChance(rateOf(1000).rate, verifiers, chance)
    const counts = seeds(Math.ceil(MOST_LOOKS * lateChance)).map((seed) => {
      const purpose = `cheat/${cheat.name}/${stage.name}/${seed}`
      const secrets = secretsOf(purpose, verifiers)
      for (let k = 1; ; k++)
        for (const verifier of auditors(secrets, seedOf(`${purpose}/unit`, k), rateOf(k).ppm))
          if (finds(unit, model, seedOf(purpose, k, verifier), steps)) return k
    })
    return {
      stage: stage.name,
      ...until(
        counts,
        survival((k) => unitChance(rateOf(k).rate, verifiers, chance)),
      ),
    }
  })
  return {
    ...{ name: cheat.name, wrongSteps: wrong.wrong, steps: wrong.steps, shares: wrong.shares, chance },
    audits: until(
      audits,
      survival(() => chance),
    ),
    units,
  }
}
