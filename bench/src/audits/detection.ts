/** How often an audit finds a unit of which a part is forged: theory beside experiment. */
import {
  FIXED_STEPS,
  type KeyedHash,
  type Model,
  type Params,
  type Shares,
  type StepRef,
  sampleSteps,
  type UnitTask,
} from '@nacre/protocol'
import { forgeSteps } from './forge.ts'
import { auditors, auditRate, ppmOf, secretsOf, survival, unitChance } from './rates.ts'
import { Draws, seedOf } from './seeds.ts'
import { type Share, wilson } from './statistics.ts'
import { delivered, type WrongSteps, wrongSteps } from './units.ts'

export interface DetectionOptions {
  readonly model: Model
  readonly hash: KeyedHash
  readonly task: UnitTask
  readonly params: Params
  /** Chances with which each step is forged. */
  readonly fractions: readonly number[]
  /** Units that are forged with each chance, and audits of each of them. */
  readonly units: number
  readonly audits: number
}

export interface DetectionRow {
  /** Of the steps that are forged, and of what they are drawn by: means over the units. */
  readonly stepShare: number
  readonly shares: Shares
  readonly theory: number
  readonly found: Share
}

/** A forged unit, with which of its steps are wrong. */
export interface ForgedUnit {
  readonly task: UnitTask
  readonly wrong: WrongSteps
  /** Steps that the forger changed; all of them and no other are wrong, or this throws. */
  readonly forged: number
}

export function forgedUnit(
  { model, hash, task }: Pick<DetectionOptions, 'model' | 'hash' | 'task'>,
  fraction: number,
  n = 0,
): ForgedUnit {
  const draws = new Draws(`forge/${fraction}/${n}`)
  const forged = new Set<StepRef>()
  const trace = forgeSteps(model, task, (ref) => {
    // A forged embedding is found by every audit, in `shape`.
    if (ref.kind === 'embed' || draws.unit() >= fraction) return false
    forged.add(ref)
    return true
  })
  const wrong = wrongSteps(delivered(model, task, trace, hash))
  for (const ref of forged) if (!wrong.isWrong(ref)) throw new Error(`a forged step passes: ${JSON.stringify(ref)}`)
  if (wrong.wrong !== forged.size) throw new Error(`${wrong.wrong} steps are wrong, ${forged.size} were forged`)
  return { task, wrong, forged: forged.size }
}

/** Whether the steps of an audit of a unit with this seed hold a wrong one. */
export function finds({ task, wrong }: ForgedUnit, model: Model, seed: Uint8Array, steps: number): boolean {
  const shape = { promptTokens: task.promptTokens.length, newTokens: task.maxNewTokens, dims: model.config }
  return [...FIXED_STEPS, ...sampleSteps(seed, shape, steps)].some((ref) => wrong.isWrong(ref))
}

/** One audit each, for every fraction. */
export function detection(
  options: DetectionOptions,
  done: (row: DetectionRow) => void = () => undefined,
): DetectionRow[] {
  const { model, params, audits } = options
  const { steps } = params.audits
  return options.fractions.map((fraction) => {
    const units = Array.from({ length: options.units }, (_, n) => forgedUnit(options, fraction, n))
    let hits = 0
    units.forEach((unit, n) => {
      for (let i = 0; i < audits; i++) if (finds(unit, model, seedOf(`detection/${fraction}`, n, i), steps)) hits++
    })
    const row = {
      stepShare: mean(units.map(({ forged, wrong }) => forged / wrong.steps)),
      shares: {
        macs: mean(units.map(({ wrong }) => wrong.shares.macs)),
        reach: mean(units.map(({ wrong }) => wrong.shares.reach)),
      },
      theory: mean(units.map(({ wrong }) => wrong.chance(steps))),
      found: wilson(hits, audits * units.length),
    }
    done(row)
    return row
  })
}

/** A record that is long enough not to be a new key's. */
const MATURED = 1000

export interface CampaignOptions extends Omit<DetectionOptions, 'units'> {
  readonly verifiers: number
  /** Units that the miner has at stake when it begins to forge; all before have ended well. */
  readonly atStake: number
  /** Units that it then delivers, each forged alike. */
  readonly units: readonly number[]
  /** Miners, each with secrets of its own against it. */
  readonly miners: number
}

export interface CampaignRow {
  readonly stepShare: number
  readonly atStake: number
  readonly points: readonly { readonly units: number; readonly theory: number; readonly found: Share }[]
}

/** Caught by some verifier within k units, at the rates that AUD-2 gives a miner with this record. */
export function campaign(options: CampaignOptions, fraction: number): CampaignRow {
  const { model, params, verifiers, atStake, miners } = options
  const unit = forgedUnit(options, fraction)
  const most = Math.max(...options.units)
  const rates = Array.from({ length: most + 1 }, (_, k) =>
    k === 0 ? 0 : auditRate(params, { matured: MATURED, atStake: atStake + k - 1 }),
  )
  const ppm = rates.map((rate) => ppmOf(rate, verifiers))
  const caughtAt = Array.from({ length: miners }, (_, miner) => {
    const purpose = `campaign/${fraction}/${atStake}/${miner}`
    const secrets = secretsOf(purpose, verifiers)
    for (let k = 1; k <= most; k++)
      for (const verifier of auditors(secrets, seedOf(`${purpose}/unit`, k), ppm[k]!))
        if (finds(unit, model, seedOf(purpose, k, verifier), params.audits.steps)) return k
    return Number.POSITIVE_INFINITY
  })
  const chance = unit.wrong.chance(params.audits.steps)
  const missed = survival((k) => unitChance(rates[k]!, verifiers, chance))
  return {
    stepShare: unit.forged / unit.wrong.steps,
    atStake,
    points: options.units.map((k) => ({
      units: k,
      theory: 1 - missed(k),
      found: wilson(caughtAt.filter((at) => at <= k).length, miners),
    })),
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length
