/** Changed bytes sent to a real node. */
import { bytesToHex, encodeTransaction, signTransaction } from '@nacre/protocol'
import type { StoppedAttack } from '../../attack.ts'
import { blockGossip, gossipInstead, transactionGossip } from '../../fixtures/gossip-to-a-node.ts'
import { onNodes, protocolFile } from '../../fixtures/outcome.ts'

const VALIDATE_HEADER = protocolFile('block/validate-header.ts')

export const commitmentNodes: readonly StoppedAttack[] = [
  onNodes({
    id: 'commitment/signature-of-another-to-a-node',
    actor: 'peer',
    targets: 'P9',
    story:
      'A peer that forwards a block flips a bit of its signature: other bytes with the same id, to have the id remembered as bad.',
    rule: 'BLK-1',
    code: 'SIGNATURE_INVALID',
    check: { file: VALIDATE_HEADER, from: 'check(hasValidSignature(header),', to: 'check(true,' },
    run: () =>
      gossipInstead([], (forge) => {
        forge.mine('a1')
        return {
          honest: blockGossip('a1'),
          attack: {
            ...blockGossip('a1'),
            bytes: (net) => {
              const bytes = net.encoded('a1')
              const at = bytesToHex(bytes).indexOf(bytesToHex(forge.get('a1').header.signature)) / 2
              return bytes.with(at, bytes[at]! ^ 1)
            },
          },
        }
      }),
  }),
  onNodes({
    id: 'commitment/wrong-chain-block-to-a-node',
    actor: 'miner',
    targets: 'P7',
    story: 'A block of a network with other parameters is sent to a node of this one.',
    rule: 'BLK-1',
    code: 'BLOCK_CHAIN',
    check: { file: VALIDATE_HEADER, from: 'equalBytes(header.chainId, genesis.chainId)', to: 'true' },
    run: () =>
      gossipInstead([], (forge) => {
        forge.mine('a1')
        forge.tamper('x1', 'a1', { chainId: new Uint8Array(32).fill(7) })
        return { honest: blockGossip('a1'), attack: blockGossip('x1') }
      }),
  }),
  onNodes({
    id: 'commitment/wrong-chain-payment-to-a-node',
    actor: 'outsider',
    targets: 'P3',
    story: 'A payment that was signed for another network is sent to a node of this one.',
    rule: 'ECO-1',
    code: 'TX_CHAIN',
    check: {
      file: protocolFile('ledger/apply-transaction.ts'),
      from: 'equalBytes(transaction.chainId, chainId)',
      to: 'true',
    },
    run: () =>
      gossipInstead([], (forge, { forge: { faucetKeys, keysOf, transferTo } }) => {
        const body = transferTo(keysOf('q'), 5n)
        const on = (chainId: Uint8Array): Uint8Array =>
          encodeTransaction(signTransaction({ chainId, nonce: 0n, fee: 1000n, body }, faucetKeys))
        return {
          honest: transactionGossip(on(forge.context.genesis.chainId)),
          attack: transactionGossip(on(new Uint8Array(32).fill(7))),
        }
      }),
  }),
]
