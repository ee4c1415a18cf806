import type { Mempool } from '@nacre/node'
import {
  applyBlockBody,
  type BlockHeader,
  type ConsensusContext,
  type LtHash,
  ProtocolError,
  type StateReader,
} from '@nacre/protocol'

/** Misfits dropped while one block is made: each costs applying the others once more. */
const MAX_MISFITS_PER_BLOCK = 16

/**
 * Waiting transactions that apply one after the other on this state. One that does not apply, for whatever reason, is dropped
 * from the mempool; those of the same account that build on it stay and wait.
 */
export function selectTransactions(
  context: ConsensusContext,
  header: Pick<BlockHeader, 'height' | 'unit' | 'minerKey'>,
  mempool: Mempool,
  reader: StateReader,
  ltHash: LtHash,
): Uint8Array[] {
  for (let misfits = 0; ; misfits++) {
    const chosen = mempool.candidates(context.params.block.maxTransactions, reader)
    try {
      applyBlockBody(context, header, chosen, reader, ltHash)
      return chosen
    } catch (error) {
      const index = misfitOf(error)
      if (index === undefined) throw error
      mempool.remove(chosen[index]!)
      // Everything before the misfit did apply.
      if (misfits >= MAX_MISFITS_PER_BLOCK) return chosen.slice(0, index)
    }
  }
}

/** Which transaction an error of {@link applyBlockBody} is about; undefined if it is not about one. */
function misfitOf(error: unknown): number | undefined {
  if (!(error instanceof ProtocolError)) return undefined
  const index = /^[A-Z_]+: transaction (\d+): /.exec(error.message)?.[1]
  return index === undefined ? undefined : Number(index)
}
