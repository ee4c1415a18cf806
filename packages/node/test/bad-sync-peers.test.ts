/** Peers that answer requests badly: each fault has a code and a price, and the good branch is found all the same (NET-4, P8). */
import { blockCodec, blockId, headerCodec } from '@nacre/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { MAX_HEADERS_PER_ANSWER, REQUEST_TIMEOUT_MS } from '../src/limits-chain.ts'
import { decodeBlocksRequest, encodeByteList } from '../src/messages.ts'
import { BLOCK_STATUS } from '../src/ports/store.ts'
import { Forge } from './support/forge.ts'
import { NodeNet, type Script, type TestNode } from './support/node-net.ts'

/**
 *   genesis - a1 - a2 - a3 - a4*         what the honest node has
 *         \- x1 - x2! - x3 - ... - x6    longer, but x2 does not re-execute
 */
const forge = new Forge()
const X = 'x1 x2 x3 x4 x5 x6'

beforeAll(() => {
  forge.mine('a1 a2 a3 a4')
  forge.mine('x1 x')
  forge.withWrongToken('x2', 'x')
  forge.mine('x3 x4 x5 x6', 'x2')
  forge.tamper('w1', 'a1', { bits: forge.get('a1').header.bits - 1 })
})

/** A victim at genesis meets the liar alone, then an honest node; returns what the liar's behaviour cost it. */
async function meet(script: Script, soloMs = 3 * REQUEST_TIMEOUT_MS): Promise<{ victim: TestNode; costs: string[] }> {
  const net = new NodeNet(forge)
  const victim = await net.node('victim')
  const claim = () => net.status(forge.get('a4'), { totalWork: 1n << 200n })
  net.peer('liar', ['victim'], { status: claim, ...script })
  await net.runFor(soloMs)
  const costs = [...new Set(victim.penalties)]
  const honest = await net.node('honest')
  for (const label of 'a1 a2 a3 a4'.split(' ')) await honest.node.publishBlock(forge.block(label))
  net.hub.connect('victim', 'honest')
  expect(await net.untilTip(victim, 'a4')).toBe(true)
  expect(victim.lines.filter(({ event }) => event === 'internal_error')).toEqual([])
  expect(victim.penalties.filter((penalty) => penalty.startsWith('honest'))).toEqual([])
  await net.stop()
  return { victim, costs }
}

const headersOf = (labels: string) => () =>
  encodeByteList(labels.split(' ').map((label) => headerCodec.encode(forge.get(label).header)))
const nothing = () => encodeByteList([])
const silence = () => new Promise<Uint8Array>(() => undefined)
/** msgpack: 5 nested lists, a list that announces 2^32 - 1 items, a map, a string that announces more than there is. */
const NESTED = Uint8Array.of(0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0xc0)
const HUGE = Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)
const MAP = Uint8Array.of(0x81, 0xa1, 0x61, 0x01)
const LONG_STRING = Uint8Array.of(0x91, 0xdb, 0x7f, 0xff, 0xff, 0xff)

describe('answers to a request for headers', () => {
  const malformed = ['liar 50 CODEC_MALFORMED']
  const cases: [string, () => Uint8Array, string[]][] = [
    ['none, although it claims more work', nothing, []],
    ['headers that start at no known block', headersOf('a3 a4'), ['liar 50 HEADERS_UNCONNECTED']],
    ['headers that are no chain', headersOf('a1 a3'), ['liar 50 HEADERS_UNCONNECTED']],
    ['bits of its own choice, and no block to show for them', headersOf('w1'), ['liar 50 BLOCKS_WITHHELD']],
    [
      'the same header as often as fits, to be asked for ever',
      () =>
        encodeByteList(
          Array.from({ length: MAX_HEADERS_PER_ANSWER }, () => headerCodec.encode(forge.get('a1').header)),
        ),
      ['liar 50 HEADERS_UNCONNECTED'],
    ],
    ['a header cut short', () => encodeByteList([headerCodec.encode(forge.get('a1').header).slice(0, -1)]), malformed],
    [
      'more headers than allowed',
      () => encodeByteList(Array.from({ length: 600 }, () => new Uint8Array(1))),
      malformed,
    ],
    ['a map', () => MAP, malformed],
    ['deep nesting', () => NESTED, malformed],
    ['a list of 2^32 - 1 items', () => HUGE, malformed],
    ['a string of 2^31 bytes', () => LONG_STRING, malformed],
    ['bytes after the end', () => Uint8Array.of(...nothing(), 0), ['liar 50 CODEC_TRAILING_BYTES']],
    ['no bytes at all', () => new Uint8Array(0), malformed],
  ]
  test.each(cases)('%s', async (_name, headers, expected) => {
    const { costs } = await meet({ headers })
    expect(costs).toEqual(expected)
  })
})

describe('answers to a request for blocks', () => {
  const headers = headersOf('a1 a2 a3 a4')
  const encoded = (label: string): Uint8Array => blockCodec.encode(forge.block(label))
  const cases: [string, () => Uint8Array, string[]][] = [
    ['none of the announced blocks', nothing, ['liar 50 BLOCKS_WITHHELD']],
    ['empty places', () => encodeByteList([new Uint8Array(0)]), ['liar 50 BLOCKS_WITHHELD']],
    ['another block', () => encodeByteList([encoded('x1')]), ['liar 50 BLOCK_NOT_ASKED_FOR']],
    ['the blocks out of order', () => encodeByteList(['a2', 'a1'].map(encoded)), ['liar 50 BLOCK_NOT_ASKED_FOR']],
    ['noise', () => encodeByteList([new Uint8Array(1000).fill(0x5a)]), ['liar 50 CODEC_MALFORMED']],
    ['a number', () => Uint8Array.of(7), ['liar 50 CODEC_MALFORMED']],
    // The header of a1 with the body of a2: the id is right, what comes with it is not.
    [
      'another body under the right header',
      () => encodeByteList([withBodyOf('a1', 'a2')]),
      ['liar 50 BLOCK_BODY_ROOT'],
    ],
  ]
  test.each(cases)('%s', async (_name, blocks, expected) => {
    const { costs } = await meet({ headers, blocks })
    expect(costs).toEqual(expected)
  })

  test('a longer branch with an invalid block: its valid part is kept, the rest is refused, the peer pays', async () => {
    const answer = () => encodeByteList(X.split(' ').map(encoded))
    const { victim, costs } = await meet({ headers: headersOf(X), blocks: answer })
    expect(costs).toEqual(['liar 50 BLOCK_REPLAY_TOKENS', 'liar 50 BLOCK_PARENT_INVALID'])
    const statusOf = (label: string) => victim.node.chain.tree.get(forge.get(label).id)?.status
    expect([statusOf('x1'), statusOf('x2'), statusOf('x3')]).toEqual([
      BLOCK_STATUS.valid,
      BLOCK_STATUS.invalid,
      undefined,
    ])
  })
})

describe('a peer that never answers', () => {
  test.each([
    ['the greeting', { status: silence }, []],
    ['for headers', { headers: silence }, ['liar 20 TIMEOUT']],
    ['for blocks', { headers: headersOf('a1 a2 a3 a4'), blocks: silence }, ['liar 20 TIMEOUT']],
  ])('%s', async (_name, script, expected) => {
    const { costs } = await meet(script)
    expect(costs).toEqual(expected)
  })

  test('it is banned before it has held up the node for a minute', async () => {
    const net = new NodeNet(forge)
    const victim = await net.node('victim')
    net.peer('liar', ['victim'], { status: () => net.status(forge.get('a4')), headers: silence })
    const start = net.clock.nowMs()
    expect(await net.clock.runUntil(() => victim.network.peers().length === 0)).toBe(true)
    expect(net.clock.nowMs() - start).toBeLessThan(90_000)
    await net.stop()
  })

  test('a claim alone does not count as synchronising: a miner on the node goes on', async () => {
    const net = new NodeNet(forge)
    const { node } = await net.node('victim')
    net.peer('liar', ['victim'], { status: () => net.status(forge.get('a4')), headers: silence })
    await net.runFor(1000)
    expect(node.isSyncing).toBe(false)
    net.peer('withholder', ['victim'], {
      status: () => net.status(forge.get('a4')),
      headers: headersOf('a1'),
      blocks: silence,
    })
    // Headers can be ground without any work: showing them and holding the blocks back stops nobody.
    expect(await net.clock.runUntil(() => node.isSyncing, { maxTimeMs: net.clock.nowMs() + 60_000 })).toBe(false)
    await net.stop()
  })
})

describe('peers that answer each request as late as allowed', () => {
  const LATE_MS = 9_000
  const A = Array.from({ length: 24 }, (_, i) => `a${i + 1}`)
  const late = (net: NodeNet, answer: () => Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve) => {
      net.clock.after(LATE_MS, () => resolve(answer()))
    })
  let isMined = false

  /** So many of them are there before an honest peer; virtual seconds until the victim has caught up. */
  async function catchUp(
    count: number,
    script: (net: NodeNet) => Script,
  ): Promise<{ seconds: number; victim: TestNode }> {
    if (!isMined) forge.mine(A.slice(4).join(' '), 'a4')
    isMined = true
    const net = new NodeNet(forge)
    const victim = await net.node('victim')
    const status = () => net.status(forge.get('a24'))
    for (let i = 0; i < count; i++) net.peer(`late-${i}`, ['victim'], { status, ...script(net) })
    await net.runFor(100)
    net.peer('fair', ['victim'], {
      status,
      headers: () => net.headers(A.join(' ')),
      blocks: (request) =>
        net.blocks(
          decodeBlocksRequest(request)
            .map((id) => forge.labelOf(id))
            .join(' '),
        ),
    })
    const start = net.clock.nowMs()
    expect(await net.untilTip(victim, 'a24')).toBe(true)
    const seconds = (net.clock.nowMs() - start) / 1000
    await net.stop()
    return { seconds, victim }
  }

  test('with headers that never end take turns with others', async () => {
    const { seconds } = await catchUp(2, (net) => {
      let [parentId, height] = [forge.genesis.id, 0]
      const headers = () =>
        encodeByteList(
          Array.from({ length: MAX_HEADERS_PER_ANSWER }, () => {
            const header = { ...forge.get('a1').header, parentId, height: ++height }
            parentId = blockId(header)
            return headerCodec.encode(header)
          }),
        )
      return { headers: () => late(net, headers) }
    })
    expect(seconds).toBeLessThan(100)
  })

  test('with one good block each do not hold up whoever has them all, and are not blamed', async () => {
    const { seconds, victim } = await catchUp(5, (net) => ({
      headers: () => net.headers(A.join(' ')),
      blocks: (request) => late(net, () => net.blocks(forge.labelOf(decodeBlocksRequest(request)[0]!))),
    }))
    expect(seconds).toBeLessThan(120)
    expect(victim.penalties).toEqual([])
  })
})

test.each([
  ['a map', MAP],
  ['deep nesting', NESTED],
  ['noise', new Uint8Array(64).fill(0xee)],
  ['a kilobyte too much', new Uint8Array(2048)],
])('a greeting of %s costs its sender something', async (_name, bytes) => {
  const { costs } = await meet({ status: () => bytes })
  expect(costs[0]).toMatch(/^liar 50 CODEC_/)
})

function withBodyOf(header: string, body: string): Uint8Array {
  return blockCodec.encode({ ...forge.block(body), header: forge.get(header).header })
}
