/** What proven misbehaviour does to a key, whoever proved it (BLK-3, AUD-4, ECO-8). */
import { withdrawAsks } from '../market/asks.ts'
import { readVerifiers, writeVerifiers, writeWeight } from '../market/entries.ts'
import type { ApplyContext } from './apply-transaction.ts'
import { addAmount, credit, readRegistration } from './entries.ts'
import { type Forfeiture, forfeit } from './forfeit.ts'
import { ROLE_MINER, ROLE_VERIFIER, type Role } from './keys.ts'

/** A registration that is active until now no longer counts: its asks leave the books, or there is one verifier less (ECO-1). */
export function leaveRole(context: ApplyContext, role: Role, publicKey: Uint8Array): void {
  const { draft, models } = context
  if (readRegistration(draft, role, publicKey)?.unbondingHeight !== 0) return
  if (role === ROLE_VERIFIER) writeVerifiers(draft, readVerifiers(draft) - 1)
  else withdrawAsks(draft, models.keys(), publicKey)
}

/**
 * Bars a key that is not barred yet: its registrations, asks and weight end, everything immature and its bonds are forfeited, the
 * reporter's account has the bounty, `returned` goes to the client of the unit that was wrong, and the rest burns.
 * @param returnable immature grains of the key that go back to `client` instead of burning.
 */
export function barKey(
  context: ApplyContext,
  publicKey: Uint8Array,
  reporter: Uint8Array,
  returnable?: { readonly client: Uint8Array; readonly grains: bigint },
): Forfeiture {
  const { draft, params, height, immature } = context
  for (const role of [ROLE_MINER, ROLE_VERIFIER] as const) leaveRole(context, role, publicKey)
  writeWeight(draft, publicKey, undefined)
  const taken = forfeit(draft, immature, publicKey, height, params.audits.bountyPpm)
  const returned = returnable?.grains ?? 0n
  if (returnable !== undefined) credit(draft, returnable.client, returned)
  credit(draft, reporter, taken.bounty)
  const burned = taken.burned - returned
  addAmount(draft, 'burned', burned)
  return { ...taken, returned, burned }
}
