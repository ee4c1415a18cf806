import { check } from '../errors.ts'
import { MAX_BLOCK_ACCUSATIONS, MAX_BLOCK_TRANSACTIONS } from '../limits.ts'
import type { Params } from '../params/types.ts'
import { isTransactionOfKind } from './transactions.ts'

/**
 * How many transactions a block may have, and how many of them may accuse (BLK-3). Throws BLOCK_TOO_MANY_TRANSACTIONS,
 * BLOCK_TOO_MANY_ACCUSATIONS.
 * @param transactions encoded; their content is not looked at.
 */
export function checkTransactionCounts(params: Params, transactions: readonly Uint8Array[]): void {
  const most = Math.min(params.block.maxTransactions, MAX_BLOCK_TRANSACTIONS)
  const { length } = transactions
  check(length <= most, 'BLOCK_TOO_MANY_TRANSACTIONS', `${length} transactions, the limit is ${most}`)
  const accusations = transactions.filter((bytes) => isTransactionOfKind(bytes, 'equivocation')).length
  check(
    accusations <= MAX_BLOCK_ACCUSATIONS,
    'BLOCK_TOO_MANY_ACCUSATIONS',
    `${accusations} proofs of equivocation, the limit is ${MAX_BLOCK_ACCUSATIONS}: the others belong in later blocks`,
  )
}
