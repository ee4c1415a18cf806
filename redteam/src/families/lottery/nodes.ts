/** False wins sent to a real node. */
import { headerTicketHash, nextBeacon, signHeader } from '@nacre/protocol'
import type { StoppedAttack } from '../../attack.ts'
import { blockGossip, gossipInstead } from '../../fixtures/gossip-to-a-node.ts'
import { onNodes, protocolFile } from '../../fixtures/outcome.ts'

export const lotteryNodes: readonly StoppedAttack[] = [
  onNodes({
    id: 'lottery/wrong-token-to-a-node',
    actor: 'miner',
    targets: 'B6',
    story:
      'A won block whose last token the model did not choose is sent to a node, which executes the unit again on its engine.',
    rule: 'BLK-4',
    code: 'BLOCK_REPLAY_TOKENS',
    check: {
      file: protocolFile('inference/claimed-trace.ts'),
      from: "check(chosen === claimed, 'BLOCK_REPLAY_TOKENS'",
      to: "check(true, 'BLOCK_REPLAY_TOKENS'",
    },
    run: () =>
      gossipInstead([], (forge) => {
        forge.mine('a1')
        forge.mine('t')
        forge.withWrongToken('x1', 't')
        return { honest: blockGossip('a1'), attack: blockGossip('x1') }
      }),
  }),
  onNodes({
    id: 'lottery/forged-bit-to-a-node',
    actor: 'miner',
    targets: 'B6',
    story: 'A trace that is wrong in one bit is mined honestly and sent to a node.',
    rule: 'BLK-4',
    code: 'BLOCK_REPLAY_TRACE',
    check: {
      file: protocolFile('block/validate-winner.ts'),
      from: 'equalBytes(replayedRoot, block.header.traceRoot)',
      to: 'true',
    },
    run: () =>
      gossipInstead([], (forge, { forgedTrace: { forgedTrace } }) => {
        forge.mine('a1')
        forge.mine('g')
        forgedTrace(forge, 'x1', 'g')
        return { honest: blockGossip('a1'), attack: blockGossip('x1') }
      }),
  }),
  onNodes({
    id: 'lottery/stolen-ticket-to-a-node',
    actor: 'peer',
    targets: 'B1',
    story: 'A peer signs a block that it received with its own key and sends that on.',
    rule: 'UNT-3',
    code: 'UNIT_PROMPT',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: 'prompt.every((token, i) => body.tokens[i] === token)',
      to: 'true',
    },
    run: () =>
      gossipInstead([], (forge, { forge: { keysOf } }) => {
        forge.mine('a1')
        const thief = keysOf('z')
        const stolen = { ...forge.get('a1').header, minerKey: thief.publicKey }
        const beacon = nextBeacon(forge.context.genesis.header.beacon, headerTicketHash(stolen))
        const header = signHeader({ ...stolen, beacon }, thief)
        forge.keep({ ...forge.get('a1'), label: 'z1', header, block: { ...forge.block('a1'), header } })
        return { honest: blockGossip('a1'), attack: blockGossip('z1') }
      }),
  }),
]
