/** More of everything than a node can use. */
import type { Attack } from '../../attack.ts'
import { rejectionOf } from '../../attack.ts'
import { libp2pDuel } from '../../fixtures/libp2p.ts'
import { unchecked, uncheckedIn } from '../../fixtures/mutations.ts'
import { Arena } from '../../fixtures/nodes.ts'
import { openingsAsked, openingsServed } from '../../fixtures/openings.ts'

/** A transaction of the faucet, or of somebody who has nothing. */
async function transaction(
  { forge }: Arena,
  from: 'faucet' | 'nobody',
  nonce: bigint,
  fee?: bigint,
): Promise<Uint8Array> {
  const { faucetKeys, keysOf, transactionOf, transferTo } = await import(
    '../../../../packages/node/test/support/forge.ts'
  )
  const keys = from === 'faucet' ? faucetKeys : keysOf('nobody')
  return transactionOf(forge.context, keys, nonce, transferTo(keysOf('z'), 1n), fee)
}

/** A transaction that the mempool of a real node refuses, then one that it takes. */
const sends = (from: 'faucet' | 'nobody', nonce: bigint, fee?: bigint) => () =>
  Arena.run(async (arena) => ({
    attack: await arena.gossiped(await transaction(arena, from, nonce, fee), 'transaction'),
    honest: await arena.gossiped(await transaction(arena, 'faucet', 0n), 'transaction'),
  }))

/** What a peer that has gossiped `messages` gets when it asks for something. */
const after = (messages: (arena: Arena) => Promise<readonly Uint8Array[]>): Promise<string | undefined> =>
  Arena.run(async (arena) => {
    const peer = arena.peer()
    for (const bytes of await messages(arena)) {
      await peer.publish('transaction', bytes).catch(() => 0)
      await arena.net.runFor(50)
    }
    const asked = rejectionOf(() =>
      peer.request('victim', 'status', new Uint8Array(0), { timeoutMs: 1000, maxResponseBytes: 1024 }),
    )
    await arena.net.runFor(2000)
    return asked
  })

export const floods: readonly Attack[] = [
  {
    id: 'availability/floods-gossip',
    actor: 'peer',
    targets: 'P8',
    story: 'Gossips noise without end. After the fifth message it is disconnected, and finds nobody to ask any more.',
    on: 'nodes',
    rule: 'NET-3',
    code: 'PEER_UNREACHABLE',
    check: uncheckedIn('node', 'adapters/gossip-judge.ts', "if (verdict === 'reject')", 'if (false)'),
    run: async () => ({
      attack: await after(async () => Array.from({ length: 8 }, (_, i) => new Uint8Array(100).fill(i))),
      honest: await after((arena) =>
        Promise.all(Array.from({ length: 8 }, (_, i) => transaction(arena, 'faucet', BigInt(i)))),
      ),
    }),
  },
  {
    id: 'availability/transactions-that-never-pay',
    actor: 'outsider',
    targets: 'P8',
    story: 'Fills the mempool from accounts that have nothing.',
    on: 'nodes',
    rule: 'ECO-1',
    code: 'TX_INSUFFICIENT_FUNDS',
    check: uncheckedIn('node', 'mempool.ts', 'account.balance >= total', 'true'),
    run: sends('nobody', 0n),
  },
  {
    id: 'availability/transactions-out-of-turn',
    actor: 'outsider',
    targets: 'P8',
    story: 'Fills the mempool with nonces far ahead, which no block can take.',
    on: 'nodes',
    rule: 'ECO-1',
    code: 'TX_NONCE_GAP',
    check: uncheckedIn(
      'node',
      'mempool.ts',
      'nonce - account.nonce < BigInt(MAX_MEMPOOL_PER_ACCOUNT) && BigInt(before.length) === nonce - account.nonce',
      'true',
    ),
    run: sends('faucet', 9n),
  },
  {
    id: 'availability/transactions-for-nothing',
    actor: 'outsider',
    targets: 'P8',
    story: 'Fills blocks with transactions that pay a grain each.',
    on: 'nodes',
    rule: 'ECO-1',
    code: 'TX_FEE_TOO_LOW',
    check: unchecked('ledger/apply-transaction.ts', 'transaction.fee >= least'),
    run: sends('faucet', 0n, 1n),
  },
  {
    id: 'availability/floods-requests',
    actor: 'peer',
    targets: 'P8',
    story: 'Asks a miner for openings of many units at once, each of which has to be executed again.',
    on: 'nodes',
    rule: 'AUD-3',
    code: 'CLOSED_WITHOUT_ANSWER',
    check: uncheckedIn('miner', 'openings.ts', 'if (asking.has(peer))', 'if (false)'),
    run: openingsAsked,
  },
  {
    id: 'availability/partial-openings',
    actor: 'miner',
    targets: 'P1',
    story: 'Opens all steps that a verifier asks for but the last one.',
    on: 'nodes',
    rule: 'AUD-3',
    code: 'STEP_OPENING',
    check: uncheckedIn('verifier', 'openings-source.ts', 'openings.length !== some.length', 'false'),
    run: async () => ({
      attack: await openingsServed((openings) => openings.slice(0, -1)),
      honest: await openingsServed((openings) => openings),
    }),
  },
  {
    id: 'availability/oversized-answer-on-tcp',
    actor: 'peer',
    targets: 'P8',
    story: 'Over a real connection, answers a request for headers with two mebibytes.',
    on: 'nodes',
    rule: 'NET-1',
    code: 'TOO_LARGE',
    check: uncheckedIn(
      'node',
      'adapters/libp2p-requests.ts',
      'return { maxDataLength, maxBufferSize: maxDataLength + FRAME_SLACK_BYTES }',
      'return { maxDataLength: 1 << 28, maxBufferSize: 1 << 28 }',
    ),
    run: libp2pDuel('answer'),
  },
  {
    id: 'availability/noise-on-tcp',
    actor: 'peer',
    targets: 'P8',
    story: 'Over a real connection, gossips noise until it is disconnected, and then asks.',
    on: 'nodes',
    rule: 'NET-1',
    code: 'PEER_UNREACHABLE',
    check: uncheckedIn('node', 'adapters/standing.ts', 'if (sum < BAN_SCORE)', 'if (true)'),
    run: libp2pDuel('noise'),
  },
  {
    id: 'availability/comes-back-with-a-new-name',
    actor: 'peer',
    targets: 'P8',
    story: 'Once banned, connects again as somebody else.',
    on: 'nodes',
    because:
      'names of peers are free. A ban makes an attacker start over: with one pending block, no place among the proven peers in synchronisation, and five messages until the next ban.',
    run: () =>
      Arena.run(async (arena) => {
        const flood = async (name: string): Promise<boolean> => {
          const peer = arena.peer({}, name)
          const isIn = arena.victim.network.peers().includes(name)
          for (let i = 0; i < 5; i++) {
            await peer.publish('block', new Uint8Array(50).fill(i).with(1, name.length))
            await arena.net.runFor(50)
          }
          return isIn && !arena.victim.network.peers().includes(name)
        }
        return (await flood('a')) && (await flood('bb'))
      }),
  },
]
