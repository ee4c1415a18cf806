/** Beacons of the miner's choice sent to a real node. */
import { nextBeacon } from '@nacre/protocol'
import type { StoppedAttack } from '../../attack.ts'
import { blockGossip, gossipInstead } from '../../fixtures/gossip-to-a-node.ts'
import { onNodes, protocolFile } from '../../fixtures/outcome.ts'

export const randomnessNodes: readonly StoppedAttack[] = [
  onNodes({
    id: 'randomness/beacon-of-another-branch-to-a-node',
    actor: 'miner',
    targets: 'P6',
    story: 'A node on one branch is sent a block whose beacon continues that of the other branch.',
    rule: 'BLK-2',
    code: 'BLOCK_BEACON',
    check: {
      file: protocolFile('block/validate-header.ts'),
      from: 'equalBytes(header.beacon, beacon)',
      to: 'true',
    },
    run: () =>
      gossipInstead(['a1'], (forge) => {
        forge.mine('a1 a2')
        forge.mine('b1')
        const beacon = nextBeacon(forge.get('b1').header.beacon, new Uint8Array(32))
        forge.tamper('x2', 'a2', { beacon })
        return { honest: blockGossip('a2'), attack: blockGossip('x2') }
      }),
  }),
]
