/** NET-6: a peer runs a miner only if the miner's key says so, of this peer and on this chain. */
import { keyPairFromSeed, taggedHash, verifyHash } from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import { pack } from '../src/bounded-msgpack.ts'
import { type MinerClaim, signMinerClaim } from '../src/miner-claims.ts'
import { Forge } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

const forge = new Forge()
const { chainId } = forge.context.genesis
const otherChain = chainId.map((byte) => byte ^ 1)
const keys = keyPairFromSeed(new Uint8Array(32).fill(1))
const own = keyPairFromSeed(new Uint8Array(32).fill(2))

let net = new NodeNet(forge)
afterEach(() => net.stop())

/** A node, the miner, and a peer `liar` that answers every request for its status with what `status` gives. */
async function meet(status: (miner: TestNode) => Uint8Array): Promise<TestNode> {
  net = new NodeNet(forge)
  const miner = await net.node('miner', [], forge.workers(), keys)
  const node = await net.node('node', ['miner'])
  net.peer('liar', ['node'], { status: () => status(miner) })
  await net.runFor(1_000)
  return node
}

const claiming = (minerClaim: MinerClaim): Uint8Array => net.status(forge.genesis, { minerClaim })

test('a miner is known by what its key has signed', async () => {
  const { node, penalties } = await meet(() => claiming(signMinerClaim(chainId, 'liar', own)))
  expect(node.peersFor(keys.publicKey)).toEqual({ miners: ['miner'], others: ['liar'] })
  expect(node.peersFor(own.publicKey)).toEqual({ miners: ['liar'], others: ['miner'] })
  expect(penalties).toEqual([])
})

test.each<[string, (miner: TestNode) => Uint8Array, string]>([
  ['replayed from the miner', ({ node }) => claiming(node.status().minerClaim!), 'SIGNATURE_INVALID'],
  ['signed for another name', () => claiming(signMinerClaim(chainId, 'liar2', keys)), 'SIGNATURE_INVALID'],
  ['of another chain', () => claiming(signMinerClaim(otherChain, 'liar', keys)), 'SIGNATURE_INVALID'],
  [
    'signed by another key',
    () => claiming({ ...signMinerClaim(chainId, 'liar', own), minerKey: keys.publicKey }),
    'SIGNATURE_INVALID',
  ],
  ['without a signature', () => pack([1, chainId, 0, forge.genesis.id, '0', [keys.publicKey]]), 'CODEC_MALFORMED'],
])('a claim %s is none, and costs its maker standing', async (_, status, code) => {
  const { node, penalties } = await meet(status)
  expect(node.peersFor(keys.publicKey)).toEqual({ miners: ['miner'], others: ['liar'] })
  expect(penalties).toEqual([`liar 50 ${code}`])
})

test('a peer on another chain runs no miner here, whatever it has signed', async () => {
  const { node, penalties } = await meet(() =>
    net.status(forge.genesis, { chainId: otherChain, minerClaim: signMinerClaim(chainId, 'liar', keys) }),
  )
  expect(node.peersFor(keys.publicKey)).toEqual({ miners: ['miner'], others: ['liar'] })
  expect(penalties).toEqual([])
})

test('a miner that has gone is no peer to ask, and has to say again who it is when it comes back', async () => {
  const { node } = await meet(() => net.status(forge.genesis))
  net.hub.disconnect('miner', 'node')
  await net.runFor(100)
  expect(node.peersFor(keys.publicKey).miners).toEqual([])
  net.peer('other', ['node'])
  net.hub.connect('miner', 'node')
  expect(node.peersFor(keys.publicKey).miners).toEqual([])
  await net.runFor(1_000)
  expect(node.peersFor(keys.publicKey).miners).toEqual(['miner'])
})

test('what a peer has said last counts', async () => {
  const [first, second] = [signMinerClaim(chainId, 'liar', keys), signMinerClaim(chainId, 'liar', own)]
  const says: (MinerClaim | undefined)[] = [
    first,
    first,
    second,
    { ...second, minerKey: keys.publicKey },
    first,
    undefined,
  ]
  let greeting = 0
  const { node } = await meet(() => net.status(forge.genesis, { minerClaim: says[greeting++] }))
  const of = (): string => {
    const isOf = ({ publicKey }: typeof keys): boolean => node.peersFor(publicKey).miners.includes('liar')
    return isOf(keys) ? 'first' : isOf(own) ? 'second' : 'none'
  }
  net.hub.disconnect('miner', 'node')
  const seen = [of()]
  while (greeting < says.length) {
    const last = greeting
    await net.clock.runUntil(() => greeting > last)
    await net.runFor(100)
    seen.push(of())
  }
  expect(seen).toEqual(['first', 'first', 'second', 'none', 'first', 'none'])
})

test('what is signed is chain and name, under a tag of its own', () => {
  const { minerKey, signature } = signMinerClaim(chainId, 'miner', keys)
  expect(minerKey).toEqual(keys.publicKey)
  const hash = taggedHash('minerClaim', Uint8Array.of(...chainId, ...new TextEncoder().encode('miner')))
  expect(verifyHash(hash, signature, minerKey)).toBe(true)
})
