/** AUD-4, AUD-6: what follows when a delivered unit is shown to be wrong, or its miner keeps back what proves it right. */
import { equalBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { accountOf } from '../keys.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import { barKey } from '../ledger/bar-key.ts'
import { credit, isBarred } from '../ledger/entries.ts'
import type { Forfeiture } from '../ledger/forfeit.ts'
import { deleteJobRecord, readJob } from '../market/entries.ts'
import type { CondemnedUnit } from './block-audits.ts'
import {
  type AuditedUnit,
  readAuditEnds,
  readChallenges,
  writeAuditEnds,
  writeAuditedUnit,
  writeChallenges,
} from './entries.ts'

/** A transaction cannot bar the miner of its own block. Throws BLOCK_KEY_BARRED. */
export function checkMayBar(context: ApplyContext, publicKey: Uint8Array): void {
  check(!equalBytes(context.minerKey, publicKey), 'BLOCK_KEY_BARRED', 'the block would bar its own miner')
}

/**
 * The money of the unit goes back to its client: before the settlement all that its job holds, after it what is still immature
 * with the miner. The miner is barred, everything immature of it and its bonds are forfeited, a part of the bonds is the
 * reporter's bounty, the rest burns. Bonds of open challenges go back. Nothing is forfeited twice: of a key that is barred
 * already only an unsettled job's money moves.
 * @param reporter account of 20 bytes. @param paidBack grains that the unit had paid and its client has back already.
 */
export function condemnUnit(
  context: ApplyContext,
  jobId: Uint8Array,
  unit: AuditedUnit,
  reporter: Uint8Array,
  reason: CondemnedUnit['reason'],
  paidBack = 0n,
): Forfeiture | undefined {
  const { draft, params, height } = context
  const { minerKey, client, paidGrains } = unit
  const held = readJob(draft, jobId)?.held ?? 0n
  credit(draft, client, held)
  deleteJobRecord(draft, jobId)
  for (const { challenger, bond } of readChallenges(draft, jobId)) credit(draft, accountOf(challenger), bond)
  writeChallenges(draft, jobId, [])

  const endHeight =
    unit.endHeight > 0 ? unit.endHeight : Math.max(unit.receiptHeight + params.block.maturityBlocks, height + 1)
  if (unit.endHeight === 0) writeAuditEnds(draft, endHeight, [...readAuditEnds(draft, endHeight), jobId])
  writeAuditedUnit(draft, jobId, { ...unit, paidGrains: 0n, endHeight, isCondemned: true })

  const forfeiture = isBarred(draft, minerKey)
    ? undefined
    : barKey(context, minerKey, reporter, { client, grains: paidGrains })
  context.audits.condemned.push({ jobId, minerKey, reason, returned: held + paidBack + (forfeiture?.returned ?? 0n) })
  return forfeiture
}
