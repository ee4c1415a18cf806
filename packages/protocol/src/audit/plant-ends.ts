/** AUD-8: what ends with the reveals of planted faults, and with the records of units that a secret drew. */
import { equalBytes } from '../bytes.ts'
import { accountOf } from '../keys.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import {
  addAmount,
  credit,
  type ImmatureEntry,
  isBarred,
  readImmature,
  readRegistration,
  writeImmature,
} from '../ledger/entries.ts'
import type { Forfeiture } from '../ledger/forfeit.ts'
import { ROLE_MINER, ROLE_VERIFIER } from '../ledger/keys.ts'
import type { StateDraft, StateReader } from '../ledger/state.ts'
import type { Params } from '../params/types.ts'
import { condemnUnit } from './condemn.ts'
import { type AuditedUnit, readAuditEnds, readAuditedUnit, readAuditor, readAuditors } from './entries.ts'
import { epochOf } from './epochs.ts'
import { hasPlants, plantEpochWith } from './plant-draws.ts'
import {
  readFoundCounts,
  readPlanter,
  readPlanters,
  readSuspicion,
  writeFoundCounts,
  writePlanter,
  writePlanters,
  writeSuspicion,
} from './plant-entries.ts'
import { earnsNothing } from './plants.ts'
import { takeFromBond } from './secrets.ts'
import { selectionOf } from './selection.ts'

/**
 * After a block's transactions: with the last block of an epoch's reveals every suspect that is no plant is condemned, the first who
 * showed it being the reporter, and a miner that has not revealed loses a part of its bond.
 */
export function closePlants(context: ApplyContext): Forfeiture[] {
  const { params, draft, height, audits } = context
  const epoch = plantEpochWith(params, 'revealEnd', height + 1)
  if (params.audits.mode === 'off' || epoch === undefined) return []
  const forfeitures: Forfeiture[] = []
  for (const minerKey of readPlanters(draft, epoch)) {
    const { secret, suspects } = readPlanter(draft, epoch, minerKey)!
    const frauds = suspects.flatMap((jobId) => {
      const unit = readAuditedUnit(draft, jobId)
      const suspicion = readSuspicion(draft, jobId)
      const isFraud = unit !== undefined && !unit.isCondemned && suspicion?.honestRoot === undefined
      const reporter = isFraud ? suspicion?.finders[0] : undefined
      return unit === undefined || reporter === undefined ? [] : [{ jobId, unit, reporter }]
    })
    // The first one bars the key and burns what is immature: by then the clients of the others have their money.
    const paidBack = frauds.map(({ unit }, i) => (i === 0 ? 0n : payBack(draft, unit)))
    for (const [i, { jobId, unit, reporter }] of frauds.entries()) {
      const forfeiture = condemnUnit(context, jobId, unit, accountOf(reporter), 'proof', paidBack[i]!)
      if (forfeiture !== undefined) forfeitures.push(forfeiture)
    }
    if (secret !== undefined || isBarred(draft, minerKey)) continue
    const burned = takeFromBond(draft, ROLE_MINER, minerKey, params.audits.missedRevealPpm)
    addAmount(draft, 'burned', burned)
    audits.plantFaults.push({ minerKey, burned })
  }
  return forfeitures
}

/** Where the immature payment of a settled unit is in its list; below 0 if it has been forfeited. */
function paymentAt(entries: readonly ImmatureEntry[], { minerKey, paidGrains }: AuditedUnit): number {
  return entries.findIndex((entry) => equalBytes(entry.minerKey, minerKey) && entry.grains === paidGrains)
}

/** Takes what a unit paid, as far as it is immature, back to its client. Returns the grains. */
function payBack(draft: StateDraft, unit: AuditedUnit): bigint {
  if (unit.paidGrains === 0n) return 0n
  const entries = readImmature(draft, unit.endHeight)
  const at = paymentAt(entries, unit)
  if (at < 0) return 0n
  writeImmature(draft, unit.endHeight, entries.toSpliced(at, 1))
  credit(draft, unit.client, unit.paidGrains)
  return unit.paidGrains
}

/**
 * Before payments mature: what a drawn unit paid its miner is the client's. Units end with the block in which their payments mature,
 * and those that were forfeited since are not there.
 */
export function returnPlantPay(params: Params, draft: StateDraft, height: number): void {
  if (!hasPlants(params)) return
  for (const jobId of readAuditEnds(draft, height)) {
    const unit = readAuditedUnit(draft, jobId)!
    if (unit.isCondemned || unit.paidGrains === 0n || !earnsNothing(params, draft, unit)) continue
    const entries = readImmature(draft, height)
    const at = paymentAt(entries, unit)
    if (at < 0) continue
    const toClient: ImmatureEntry = { account: unit.client, grains: unit.paidGrains, minerKey: new Uint8Array(0) }
    writeImmature(draft, height, entries.with(at, toClient))
  }
}

/** Verifiers that found a plant and whose secrets chose it: paid like those that gave a verdict. Empty for any other unit. */
export function findersOf(params: Params, reader: StateReader, jobId: Uint8Array, unit: AuditedUnit): Uint8Array[] {
  const suspicion = readSuspicion(reader, jobId)
  if (suspicion?.honestRoot === undefined) return []
  const epoch = epochOf(params, unit.receiptHeight)
  const isChosenBy = selectionOf(params, reader, unit)
  return suspicion.finders.filter((finder) => {
    if (equalBytes(finder, unit.minerKey)) return false
    const secret = readAuditor(reader, epoch, finder)?.secret
    return secret !== undefined && !isBarred(reader, finder) && isChosenBy(secret)
  })
}

/** A plant's record ends: every verifier whose secret chose it has one more to its count, and one found if it showed the fault. */
export function countFound({ params, draft }: ApplyContext, jobId: Uint8Array, unit: AuditedUnit): void {
  const suspicion = readSuspicion(draft, jobId)
  if (suspicion === undefined) return
  writeSuspicion(draft, jobId, undefined)
  if (suspicion.honestRoot === undefined || unit.isCondemned) return
  const epoch = epochOf(params, unit.receiptHeight)
  const isChosenBy = selectionOf(params, draft, unit)
  for (const verifier of readAuditors(draft, epoch)) {
    if (equalBytes(verifier, unit.minerKey)) continue // it does not judge itself
    const secret = readAuditor(draft, epoch, verifier)?.secret
    const isRegistered = readRegistration(draft, ROLE_VERIFIER, verifier) !== undefined
    if (secret === undefined || !isRegistered || !isChosenBy(secret)) continue
    const { planted, found } = readFoundCounts(draft, verifier)
    const hasFound = suspicion.finders.some((finder) => equalBytes(finder, verifier))
    writeFoundCounts(draft, verifier, { planted: planted + 1, found: found + Number(hasFound) })
  }
}

/** Plants of an epoch are forgotten when none of its units can be audited any more. */
export function forgetPlants({ params, draft, height }: ApplyContext): void {
  if (params.audits.mode === 'off') return
  const over = plantEpochWith(params, 'end', height)
  if (over === undefined) return
  for (const minerKey of readPlanters(draft, over)) writePlanter(draft, over, minerKey, undefined)
  writePlanters(draft, over, [])
}
