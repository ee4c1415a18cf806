/**
 * AUD-8: planted faults. A miner commits to a secret, which draws some of its later units; of those it may deliver a wrong trace with a
 * right answer, and says so once the verdicts are in. It shows whether anybody looks, earns nothing, and excuses nothing else.
 */
import { equalBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import { credit, isBarred, readRegistration } from '../ledger/entries.ts'
import { ROLE_MINER } from '../ledger/keys.ts'
import type { StateDraft, StateReader } from '../ledger/state.ts'
import { MAX_EPOCH_PLANTERS, MAX_FINDERS, MAX_PLANTS } from '../limits.ts'
import type { Params } from '../params/types.ts'
import { checkAuditsOn } from './block-audits.ts'
import { type AuditedUnit, readAuditedUnit, readAuditor, readChallenges, writeChallenges } from './entries.ts'
import { epochOf } from './epochs.ts'
import type { Plant, PlantCommit, PlantReveal } from './payloads.ts'
import { drawsPlant, plantCommitment, plantWindows } from './plant-draws.ts'
import {
  type Planter,
  readPlanter,
  readPlanters,
  readSuspicion,
  type Suspicion,
  writePlanter,
  writePlanters,
  writeSuspicion,
} from './plant-entries.ts'

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

/**
 * Whether a unit that ends earns its miner nothing: it was drawn by the secret that its miner has revealed, planted or not, or the secret
 * was kept back, so that any unit of the epoch may have been.
 */
export function earnsNothing(params: Params, reader: StateReader, unit: AuditedUnit): boolean {
  const planter = planterOf(params, reader, unit)
  if (planter === undefined) return false
  return planter.secret === undefined || drawsPlant(params, planter.secret, unit.unitId)
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
 * Whether a key may be one more finder of a unit under suspicion: a verifier of the epoch of the receipt, not the miner itself, that
 * accused before the first proof could be read, while there is room.
 * @param finder public key. @param accusedHeight of its accusation.
 */
export function mayJoinFinders(
  params: Params,
  reader: StateReader,
  unit: AuditedUnit,
  { finders, accusedHeight: firstHeight }: Suspicion,
  finder: Uint8Array,
  accusedHeight: number,
): boolean {
  return (
    finders.length < MAX_FINDERS &&
    accusedHeight < firstHeight + params.audits.accusationDelayBlocks &&
    !finders.some((key) => equalBytes(key, finder)) &&
    !equalBytes(finder, unit.minerKey) &&
    readAuditor(reader, epochOf(params, unit.receiptHeight), finder) !== undefined
  )
}

/**
 * What {@link prepareSuspicion} refuses of a wrong step, without running it. Throws PLANT_FOUND. @param accusedHeight of the accusation.
 */
export function checkFinder(
  context: ApplyContext,
  jobId: Uint8Array,
  unit: AuditedUnit,
  finder: Uint8Array,
  accusedHeight: number,
): void {
  const { params, draft } = context
  const before = mayBePlant(context, unit) ? readSuspicion(draft, jobId) : undefined
  check(
    before === undefined || mayJoinFinders(params, draft, unit, before, finder, accusedHeight),
    'PLANT_FOUND',
    'the fault has been shown, and the sender is not one more verifier that found it by itself',
  )
}

/**
 * Puts a unit that was shown to be wrong under suspicion; the function it returns writes and cannot fail. Returns undefined where the
 * miner has as many suspects as it can have plants: one more is none. Throws PLANT_FOUND ({@link mayJoinFinders}).
 * @param finder public key. @param accusedHeight of its accusation, or of the block that its challenge was due in.
 */
export function prepareSuspicion(
  context: ApplyContext,
  jobId: Uint8Array,
  unit: AuditedUnit,
  finder: Uint8Array,
  accusedHeight: number,
): (() => void) | undefined {
  const { params, draft } = context
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
  checkFinder(context, jobId, unit, finder, accusedHeight)
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

/** What was asked of the trace that is no longer the unit's need not be answered, and may be asked of the other one. */
function endChallenges(draft: StateDraft, jobId: Uint8Array): void {
  for (const { challenger, bond } of readChallenges(draft, jobId)) credit(draft, accountOf(challenger), bond)
  writeChallenges(draft, jobId, [])
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
      endChallenges(draft, jobId)
      const { finders, accusedHeight } = readSuspicion(draft, jobId) ?? { finders: [], accusedHeight: 0 }
      writeSuspicion(draft, jobId, { finders, accusedHeight, honestRoot: traceRoot })
    }
    writePlanter(draft, epoch, sender, { ...planter, secret })
  }
}
