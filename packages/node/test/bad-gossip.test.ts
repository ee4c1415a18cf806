/**
 * Every kind of bad block that a peer can send by gossip: a typed error, a verdict, no effect on the chain (P8, NET-3).
 *
 *   genesis - a1 - x2        x2 is a2 with one thing wrong; it is signed anew, so that only the rule under test refuses it
 */
import {
  type BlockHeader,
  bytesToHex,
  headerTicketHash,
  nextBeacon,
  signHeader,
  type TicketProof,
  ticketProofHash,
  ticketProofOf,
} from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BLOCK_STATUS } from '../src/ports/store.ts'
import { Forge, keysOf, transactionOf, transferTo } from './support/forge.ts'
import { forgedTrace } from './support/forged-trace.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

const forge = new Forge()
const net = new NodeNet(forge)
let victim: TestNode
let bystander: TestNode
let cases = 0

beforeAll(async () => {
  forge.mine('a1 a2 a3')
  victim = await net.node('victim')
  bystander = await net.node('bystander', ['victim'])
  await victim.node.publishBlock(forge.block('a1'))
  await net.untilTip(bystander, 'a1')
})
afterAll(() => net.stop())

/** A new peer sends `bytes` by gossip; what the victim says about it. */
async function judged(bytes: Uint8Array): Promise<{ code: unknown; verdict: unknown; forwarded: boolean }> {
  const name = `peer-${cases++}`
  const peer = net.peer(name, ['victim'])
  const linesBefore = victim.lines.length
  const bystanderBefore = bystander.lines.length
  await peer.publish('block', bytes)
  await net.runFor(100)
  const line = victim.lines.slice(linesBefore).find((entry) => entry.event === 'gossip_refused' && entry.from === name)
  const forwarded = bystander.lines.slice(bystanderBefore).some((entry) => entry.event === 'gossip_refused')
  net.hub.disconnect(name, 'victim')
  await peer.stop()
  return { code: line?.code, verdict: line?.verdict, forwarded }
}

/** a2 with other header fields, as `x2-<n>`. The beacon follows the ticket, unless it is what is wrong. */
function withHeader(change: Partial<BlockHeader>): Uint8Array {
  const label = `x2-${cases}`
  const changed = { ...forge.get('a2').header, ...change }
  const beacon = change.beacon ?? nextBeacon(forge.get('a1').header.beacon, headerTicketHash(changed))
  forge.tamper(label, 'a2', { ...change, beacon })
  return net.encoded(label)
}

const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte))
const header = (): BlockHeader => forge.get('a2').header

const REFUSED: [string, () => Uint8Array, string, 'reject' | 'ignore'][] = [
  ['nothing', () => new Uint8Array(0), 'CODEC_MALFORMED', 'reject'],
  ['a truncated block', () => net.encoded('a2').slice(0, -1), 'CODEC_MALFORMED', 'reject'],
  ['a header alone', () => net.encoded('a2').slice(0, 560), 'CODEC_MALFORMED', 'reject'],
  ['bytes after the end', () => Uint8Array.of(...net.encoded('a2'), 0), 'CODEC_TRAILING_BYTES', 'reject'],
  ['a mebibyte of noise', () => new Uint8Array(1 << 20).fill(0xa7), 'CODEC_MALFORMED', 'reject'],
  ['another version', () => withHeader({ version: 2 }), 'BLOCK_VERSION', 'reject'],
  ['another chain', () => withHeader({ chainId: flip(header().chainId) }), 'BLOCK_CHAIN', 'ignore'],
  ['another height', () => withHeader({ height: 7 }), 'BLOCK_HEIGHT', 'reject'],
  ['a time before its ancestors', () => withHeader({ timeMs: 1 }), 'BLOCK_TIME_TOO_OLD', 'reject'],
  ['bits of its own choice', () => withHeader({ bits: header().bits - 1 }), 'BLOCK_BITS', 'reject'],
  ['bits that are no target', () => withHeader({ bits: 0xffff_ffff }), 'BLOCK_BITS', 'reject'],
  ['a beacon of its own choice', () => withHeader({ beacon: flip(header().beacon) }), 'BLOCK_BEACON', 'reject'],
  ['another state root', () => withHeader({ stateRoot: flip(header().stateRoot) }), 'BLOCK_STATE_ROOT', 'reject'],
  ['another body root', () => withHeader({ bodyRoot: flip(header().bodyRoot) }), 'BLOCK_BODY_ROOT', 'reject'],
  [
    'a trace root of garbage',
    () => withHeader({ traceRoot: flip(header().traceRoot) }),
    'TICKET_PROOF_OPENING',
    'reject',
  ],
  [
    'a fold state that no tile has',
    () => withHeader({ foldState: header().foldState.map((word) => (word + 1) >>> 0) }),
    'TICKET_STATE_MISMATCH',
    'reject',
  ],
  [
    'a ticket outside the unit',
    () => withHeader({ ticket: { ...header().ticket, layer: 999 } }),
    'TICKET_POSITION',
    'reject',
  ],
]

describe('one bad block', () => {
  test.each(REFUSED)('%s', async (_name, make, code, verdict) => {
    expect(await judged(make())).toEqual({ code, verdict, forwarded: false })
    expect(net.tipOf(victim)).toBe('a1')
  })

  test('a signature by somebody else', async () => {
    const bytes = net.encoded('a2')
    bytes.set(signHeader(header(), keysOf('z')).signature, indexOfBytes(bytes, header().signature))
    expect(await judged(bytes)).toMatchObject({ code: 'SIGNATURE_INVALID', verdict: 'reject' })
  })

  test('a ticket proof with a changed row', async () => {
    const proof = ticketProofOf(forge.block('a2').proof)
    const rows = proof.rows.map((row, i) => (i === 0 ? flip(row) : row))
    const changed: TicketProof = { ...proof, rows }
    forge.tamper('p2', 'a2', { ticketProofHash: ticketProofHash(changed) })
    Object.assign(forge.block('p2'), { proof: changed })
    expect(await judged(net.encoded('p2'))).toMatchObject({ code: 'TICKET_PROOF_OPENING', verdict: 'reject' })
  })

  test('more transactions than a block may have', async () => {
    const one = transactionOf(forge.context, keysOf('q'), 0n, transferTo(keysOf('r'), 1n))
    const transactions = Array.from({ length: forge.context.params.block.maxTransactions + 1 }, () => one)
    forge.tamper('m2', 'a2', {}, { ...forge.block('a2').body, transactions })
    expect(await judged(net.encoded('m2'))).toMatchObject({ code: 'BLOCK_TOO_MANY_TRANSACTIONS', verdict: 'reject' })
  })

  test.each([
    ['a token the model did not choose', 'BLOCK_REPLAY_TOKENS', () => forge.withWrongToken('t2', 't')],
    ['a trace that is wrong in one bit, mined honestly', 'BLOCK_REPLAY_TRACE', () => forgedTrace(forge, 'g2', 'g')],
  ])('%s: found by re-execution, refused for good', async (_name, code, make) => {
    // Units of their own: a third sibling of one ticket would not even be looked at (BLK-3).
    forge.mine(code === 'BLOCK_REPLAY_TRACE' ? 'g' : 't', 'a1')
    const block = make()
    const label = code === 'BLOCK_REPLAY_TRACE' ? 'g2' : 't2'
    expect(await judged(net.encoded(label))).toEqual({ code, verdict: 'reject', forwarded: false })
    expect(victim.node.chain.tree.get(forge.get(label).id)?.status).toBe(BLOCK_STATUS.invalid)
    // The same block with one signature byte flipped is other bytes with the same id: its signature is judged all the same.
    const again = net.encoded(label)
    again.set(flip(block.header.signature), indexOfBytes(again, block.header.signature))
    expect(await judged(again)).toMatchObject({ code: 'SIGNATURE_INVALID', verdict: 'reject' })
    // And the block itself is not executed again.
    await expect(victim.node.chain.offer(block)).rejects.toMatchObject({ code: 'BLOCK_PARENT_INVALID' })
  })
})

test('five bad messages ban a peer; a good block still comes through', async () => {
  const evil = net.peer('evil', ['victim'])
  for (let i = 0; i < 5; i++) {
    expect(victim.network.peers()).toContain('evil')
    await evil.publish('block', Uint8Array.of(i))
    await net.runFor(50)
  }
  expect(victim.network.peers()).not.toContain('evil')
  expect(net.hub.connect('evil', 'victim')).toBe(false)
  const good = net.peer('good', ['victim'])
  await good.publish('block', net.encoded('a2'))
  expect(await net.untilTip(bystander, 'a2')).toBe(true)
  expect(net.tipOf(victim)).toBe('a2')
})

test('a block ahead of its time is ignored, costs its sender nothing, and is accepted once it is due', async () => {
  const { maxFutureMs } = forge.context.params.block
  const afterMs = net.clock.nowMs() + maxFutureMs + 60_000 - forge.get('a2').header.timeMs
  forge.mine('f3', 'a2', { afterMs })
  const early = net.peer('early', ['victim'])
  expect(await judged(net.encoded('f3'))).toMatchObject({ code: 'BLOCK_TIME_FUTURE', verdict: 'ignore' })
  expect(victim.penalties.filter((penalty) => penalty.startsWith('early'))).toEqual([])
  await net.runFor(180_000)
  await early.publish('block', net.encoded('f3'))
  expect(await net.untilTip(victim, 'f3')).toBe(true)
  expect(victim.lines.filter(({ event }) => event === 'internal_error')).toEqual([])
})

function indexOfBytes(bytes: Uint8Array, part: Uint8Array): number {
  const at = bytesToHex(bytes).indexOf(bytesToHex(part))
  if (at < 0) throw new Error('not contained')
  return at / 2
}
