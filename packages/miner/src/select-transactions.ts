import { isTransactionError, type Mempool } from '@nacre/node'
import { applyBlockBody, type BlockHeader, type ConsensusContext, type LtHash, type StateReader } from '@nacre/protocol'

/**
 * Waiting transactions that apply one after the other on this state. One that does not apply is dropped from the mempool;
 * those of the same account that build on it stay and wait.
 */
export function selectTransactions(
  context: ConsensusContext,
  header: Pick<BlockHeader, 'height' | 'unit' | 'minerKey'>,
  mempool: Mempool,
  reader: StateReader,
  ltHash: LtHash,
): Uint8Array[] {
  let chosen = mempool.candidates(context.params.block.maxTransactions, reader)
  while (chosen.length > 0) {
    try {
      applyBlockBody(context, header, chosen, reader, ltHash)
      return chosen
    } catch (error) {
      if (!isTransactionError(error)) throw error
      const index = Number(/transaction (\d+)/.exec(error.message)?.[1] ?? 0)
      mempool.remove(chosen[index]!)
      chosen = mempool.candidates(context.params.block.maxTransactions, reader)
    }
  }
  return []
}
