/** The state before the first block: nobody has coins, except for a premine or a faucet that the parameters state (ECO-1). */
import { hexToBytes } from '../bytes.ts'
import { emptyLtHash, type LtHash, stateRootOf } from '../lthash.ts'
import type { Params } from '../params/types.ts'
import { addAmount, credit } from './entries.ts'
import { applyChanges, type StateChange, StateDraft } from './state.ts'

export interface GenesisState {
  /** From the empty state, sorted by key. */
  readonly changes: readonly StateChange[]
  readonly ltHash: LtHash
  readonly stateRoot: Uint8Array
}

/** The genesis state: premine and faucet are balances at once, and counted; there is nothing else. */
export function genesisState(params: Params): GenesisState {
  const { premineGrains, teamAccount, faucetGrains, faucetAccount } = params.emission
  const draft = new StateDraft({ get: () => undefined })
  if (premineGrains > 0n) credit(draft, hexToBytes(teamAccount), premineGrains)
  if (faucetGrains > 0n) credit(draft, hexToBytes(faucetAccount), faucetGrains)
  addAmount(draft, 'premine', premineGrains)
  addAmount(draft, 'faucet', faucetGrains)
  const changes = draft.finish()
  const ltHash = applyChanges(emptyLtHash(), changes)
  return { changes, ltHash, stateRoot: stateRootOf(ltHash) }
}
