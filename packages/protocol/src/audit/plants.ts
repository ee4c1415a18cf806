/**
 * AUD-8: planted faults. A miner commits to a secret, which draws some of its later units; of those it may deliver a wrong trace with a
 * right answer, and says so once the verdicts are in. It shows whether anybody looks, earns nothing, and excuses nothing else.
 */
import { equalBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
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
import { MAX_EPOCH_PLANTERS, MAX_FINDERS, MAX_PLANTS } from '../limits.ts'
import type { Params } from '../params/types.ts'
import { checkAuditsOn } from './block-audits.ts'
import { condemnUnit } from './condemn.ts'
import {
  type AuditedUnit,
  readAuditEnds,
  readAuditedUnit,
  readAuditor,
  readAuditors,
  readChallenges,
  writeChallenges,
} from './entries.ts'
import { epochOf } from './epochs.ts'
import type { Plant, PlantCommit, PlantReveal } from './payloads.ts'
import { drawsPlant, hasPlants, plantCommitment, plantEpochWith, plantWindows } from './plant-draws.ts'
import {
  type Planter,
  readFoundCounts,
  readPlanter,
  readPlanters,
  readSuspicion,
  writeFoundCounts,
  writePlanter,
  writePlanters,
  writeSuspicion,
} from './plant-entries.ts'
import { takeFromBond } from './secrets.ts'
import { wasSelected } from './selection.ts'

/** AUDIT_OFF, or PLANT_OFF where the network has no plants. */
function checkPlantsOn(params: Params): void {
  checkAuditsOn(params)
  check(params.audits.plantPpm > 0, 'PLANT_OFF', 'this network has no planted faults (audits.plantPpm)')
}

/**
 * Checks a commitment; the function it returns writes and cannot fail. Throws AUDIT_OFF, PLANT_OFF, PLANT_WINDOW (not the next epoch),
 * PLANT_MINER (no active miner with its full bond, or committed already), PLANT_FULL.
 */
export function preparePlantCommit(context: ApplyContext, sender: Uint8Array, commit: PlantCommit): () => void {
  const { params, draft, height } = context
  const { epoch, commitment } = commit
  checkPlantsOn(params)
  const next = epochOf(params, height) + 1
  check(epoch === next, 'PLANT_WINDOW', `plants of epoch ${epoch} are not committed to now, those of ${next} are`)
  const registration = readRegistration(draft, ROLE_MINER, sender)
  check(
    registration?.unbondingHeight === 0 && registration.bond >= params.bonds.minerGrains,
    'PLANT_MINER',
    'only active miners with their full bond plant',
  )
  check(readPlanter(draft, epoch, sender) === undefined, 'PLANT_MINER', `the key has a secret for epoch ${epoch}`)
  const planters = readPlanters(draft, epoch)
  check(planters.length < MAX_EPOCH_PLANTERS, 'PLANT_FULL', `epoch ${epoch} has its ${MAX_EPOCH_PLANTERS} planters`)
  return () => {
    writePlanters(draft, epoch, [...planters, sender])
    writePlanter(draft, epoch, sender, { commitment, secret: undefined, suspects: [] })
  }
}

/** The plants of a unit's miner in the epoch of its assignment: they were committed to in the epoch before. */
export function planterOf(params: Params, reader: StateReader, unit: AuditedUnit): Planter | undefined {
  if (params.audits.plantPpm === 0) return undefined
  return readPlanter(reader, epochOf(params, unit.openedHeight), unit.minerKey)
}

/** Whether a unit was drawn by a secret that its miner has revealed: it is paid to nobody, planted or not. */
export function isDrawnAsPlant(params: Params, reader: StateReader, unit: AuditedUnit): boolean {
  const secret = planterOf(params, reader, unit)?.secret
  return secret !== undefined && drawsPlant(params, secret, unit.unitId)
}

/** The root that a unit answers for: that of its receipt, or once it has been shown to be a plant that of its honest trace. */
export function answeringRoot(reader: StateReader, jobId: Uint8Array, unit: AuditedUnit): Uint8Array {
  return readSuspicion(reader, jobId)?.honestRoot ?? unit.traceRoot
}

/** Whether fraud in a unit may turn out to be a plant, so that its miner still has to be heard. */
export function mayBePlant(context: ApplyContext, unit: AuditedUnit): boolean {
  const { params, draft } = context
  const planter = planterOf(params, draft, unit)
  // Whoever has revealed has named its plants; what remains was none.
  return planter !== undefined && planter.secret === undefined && !isBarred(draft, unit.minerKey)
}

/**
 * Puts a unit that was shown to be wrong under suspicion; the function it returns writes and cannot fail. Returns undefined where the
 * miner has as many suspects as it can have plants: one more is none. Throws PLANT_FOUND (the sender has shown it before, or began
 * only when others could read the proof, or there are MAX_FINDERS).
 * @param finder public key. @param accusedHeight of its accusation, or of the block that its challenge was due in.
 */
export function prepareSuspicion(
  { params, draft }: ApplyContext,
  jobId: Uint8Array,
  unit: AuditedUnit,
  finder: Uint8Array,
  accusedHeight: number,
): (() => void) | undefined {
  const before = readSuspicion(draft, jobId)
  const epoch = epochOf(params, unit.openedHeight)
  if (before === undefined) {
    const planter = readPlanter(draft, epoch, unit.minerKey)!
    if (planter.suspects.length >= MAX_PLANTS) return undefined
    return () => {
      writeSuspicion(draft, jobId, { finders: [finder], accusedHeight, honestRoot: undefined })
      writePlanter(draft, epoch, unit.minerKey, { ...planter, suspects: [...planter.suspects, jobId] })
    }
  }
  const isNew = !before.finders.some((key) => equalBytes(key, finder))
  const isOwn = accusedHeight < before.accusedHeight + params.audits.accusationDelayBlocks
  check(
    isNew && isOwn && before.finders.length < MAX_FINDERS,
    'PLANT_FOUND',
    'the fault has been shown, and the sender is not one more who found it by itself',
  )
  return () => writeSuspicion(draft, jobId, { ...before, finders: [...before.finders, finder] })
}

function checkPlant(
  { params, draft }: ApplyContext,
  sender: Uint8Array,
  { epoch, secret }: PlantReveal,
  { jobId, traceRoot }: Plant,
): void {
  const unit = readAuditedUnit(draft, jobId)
  const isOwn =
    unit !== undefined &&
    !unit.isCondemned &&
    equalBytes(unit.minerKey, sender) &&
    epochOf(params, unit.openedHeight) === epoch
  check(
    isOwn && drawsPlant(params, secret, unit.unitId) && !equalBytes(traceRoot, unit.traceRoot),
    'PLANT_UNIT',
    'no unit of the sender that the secret draws, with another trace root',
  )
}

/** What was asked of the trace that is no longer the unit's need not be answered. */
function returnOpenBonds(draft: StateDraft, jobId: Uint8Array): void {
  const challenges = readChallenges(draft, jobId)
  for (const { challenger, bond } of challenges) credit(draft, accountOf(challenger), bond)
  writeChallenges(
    draft,
    jobId,
    challenges.map((each) => ({ ...each, bond: 0n, dueHeight: 0 })),
  )
}

/**
 * Checks a revealed secret and the plants that it names; the function it returns writes and cannot fail. Throws AUDIT_OFF, PLANT_OFF,
 * PLANT_MINER (the sender has no secret of the epoch to reveal), PLANT_WINDOW, PLANT_SECRET (not what it committed to), PLANT_UNIT (a unit
 * that is not a plant, or named twice).
 */
export function preparePlantReveal(context: ApplyContext, sender: Uint8Array, reveal: PlantReveal): () => void {
  const { params, draft, height } = context
  const { epoch, secret, plants } = reveal
  checkPlantsOn(params)
  const planter = readPlanter(draft, epoch, sender)
  if (planter === undefined || planter.secret !== undefined || isBarred(draft, sender))
    throw new ProtocolError('PLANT_MINER', `the sender has no secret of epoch ${epoch} to reveal`)
  const { revealFrom, revealEnd } = plantWindows(params, epoch)
  check(
    height >= revealFrom && height < revealEnd,
    'PLANT_WINDOW',
    `plants of epoch ${epoch} are revealed at heights ${revealFrom} to ${revealEnd - 1}`,
  )
  check(
    equalBytes(plantCommitment(sender, epoch, secret), planter.commitment),
    'PLANT_SECRET',
    'the secret is not the one that was committed to',
  )
  plants.forEach((plant, i) => {
    checkPlant(context, sender, reveal, plant)
    const isTwice = plants.slice(0, i).some(({ jobId }) => equalBytes(jobId, plant.jobId))
    check(!isTwice, 'PLANT_UNIT', 'a plant is named twice')
  })
  return () => {
    for (const { jobId, traceRoot } of plants) {
      returnOpenBonds(draft, jobId)
      const { finders, accusedHeight } = readSuspicion(draft, jobId) ?? { finders: [], accusedHeight: 0 }
      writeSuspicion(draft, jobId, { finders, accusedHeight, honestRoot: traceRoot })
    }
    writePlanter(draft, epoch, sender, { ...planter, secret })
  }
}

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
    for (const jobId of suspects) {
      const unit = readAuditedUnit(draft, jobId)
      const suspicion = readSuspicion(draft, jobId)
      if (unit === undefined || unit.isCondemned || suspicion === undefined || suspicion.honestRoot !== undefined)
        continue
      const forfeiture = condemnUnit(context, jobId, unit, accountOf(suspicion.finders[0]!), 'proof')
      if (forfeiture !== undefined) forfeitures.push(forfeiture)
    }
    if (secret !== undefined || isBarred(draft, minerKey)) continue
    const burned = takeFromBond(draft, ROLE_MINER, minerKey, params.audits.missedRevealPpm)
    addAmount(draft, 'burned', burned)
    audits.plantFaults.push({ minerKey, burned })
  }
  return forfeitures
}

/**
 * Before payments mature: what a drawn unit paid its miner is the client's. Units end with the block in which their payments mature,
 * and those that were forfeited since are not there.
 */
export function returnPlantPay(params: Params, draft: StateDraft, height: number): void {
  if (!hasPlants(params)) return
  for (const jobId of readAuditEnds(draft, height)) {
    const unit = readAuditedUnit(draft, jobId)!
    if (unit.isCondemned || unit.paidGrains === 0n || !isDrawnAsPlant(params, draft, unit)) continue
    const entries = readImmature(draft, height)
    const at = entries.findIndex(
      ({ minerKey, grains }) => equalBytes(minerKey, unit.minerKey) && grains === unit.paidGrains,
    )
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
  return suspicion.finders.filter((finder) => {
    const secret = readAuditor(reader, epoch, finder)?.secret
    return secret !== undefined && !isBarred(reader, finder) && wasSelected(params, reader, secret, unit)
  })
}

/** A plant's record ends: every verifier whose secret chose it has one more to its count, and one found if it showed the fault. */
export function countFound({ params, draft }: ApplyContext, jobId: Uint8Array, unit: AuditedUnit): void {
  const suspicion = readSuspicion(draft, jobId)
  if (suspicion === undefined) return
  writeSuspicion(draft, jobId, undefined)
  if (suspicion.honestRoot === undefined || unit.isCondemned) return
  const epoch = epochOf(params, unit.receiptHeight)
  for (const verifier of readAuditors(draft, epoch)) {
    const secret = readAuditor(draft, epoch, verifier)?.secret
    const isRegistered = readRegistration(draft, ROLE_VERIFIER, verifier) !== undefined
    if (secret === undefined || !isRegistered || !wasSelected(params, draft, secret, unit)) continue
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
