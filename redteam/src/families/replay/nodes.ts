/** What is in the chain already, sent to a real node once more. */
import type { StoppedAttack } from '../../attack.ts'
import { blockGossip, gossipInstead } from '../../fixtures/gossip-to-a-node.ts'
import { onNodes, protocolFile } from '../../fixtures/outcome.ts'

export const replayNodes: readonly StoppedAttack[] = [
  onNodes({
    id: 'replay/payment-in-a-second-block-to-a-node',
    actor: 'miner',
    targets: 'P3',
    story: 'The bytes of a payment that a block contains are put into the next block by its miner, who is the payee.',
    rule: 'ECO-1',
    code: 'TX_NONCE_LOW',
    check: { file: protocolFile('ledger/apply-transaction.ts'), from: 'nonce >= before.nonce', to: 'true' },
    run: () =>
      gossipInstead(['a1'], (forge, { forge: { faucetKeys, keysOf, transactionOf, transferTo } }) => {
        const pay = (nonce: bigint): Uint8Array =>
          transactionOf(forge.context, faucetKeys, nonce, transferTo(keysOf('a'), 5n))
        forge.mine('a1', 'genesis', { transactions: [pay(0n)] })
        forge.mine('a2', 'a1', { transactions: [pay(1n)] })
        forge.tamper('x2', 'a2', {}, { ...forge.block('a2').body, transactions: [pay(0n)] })
        return { honest: blockGossip('a2'), attack: blockGossip('x2') }
      }),
  }),
]
