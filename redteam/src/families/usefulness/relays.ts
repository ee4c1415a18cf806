/** What somebody on the way to the chain does to a job. */
import { decodeTransaction, encodeTransaction } from '@nacre/protocol'
import type { Attack } from '../../attack.ts'
import { unchecked } from '../../fixtures/mutations.ts'
import { Arena } from '../../fixtures/nodes.ts'

export const relays: readonly Attack[] = [
  {
    id: 'usefulness/relay-rewrites-the-prompt',
    actor: 'peer',
    targets: 'B1',
    story: 'A peer passes a job on with another prompt: the client pays for what it did not ask.',
    on: 'nodes',
    rule: 'CNV-3',
    code: 'SIGNATURE_INVALID',
    check: unchecked('ledger/apply-transaction.ts', 'hasValidTransactionSignature(transaction)'),
    run: () =>
      Arena.run(async (arena) => {
        const { faucetKeys, transactionOf } = await import('../../../../packages/node/test/support/forge.ts')
        const { jobBody } = await import('../../../../packages/protocol/test/market-fixture.ts')
        const bytes = transactionOf(arena.forge.context, faucetKeys, 0n, jobBody())
        const signed = decodeTransaction(bytes)
        const rewritten = { ...signed, body: { ...jobBody(), promptTokens: [1, 2, 3] } }
        const attack = await arena.gossiped(encodeTransaction(rewritten), 'transaction')
        return { attack, honest: await arena.gossiped(bytes, 'transaction') }
      }),
  },
]
