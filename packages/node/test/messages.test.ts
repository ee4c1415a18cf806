/** What peers send is bytes until it has been checked: any bytes give a value or a ProtocolError, nothing else (P8). */
import {
  blockCodec,
  bodyCodec,
  commitTrace,
  decodeTransaction,
  headerCodec,
  openStep,
  ProtocolError,
  STEP_KINDS,
  stepOpeningCodec,
} from '@nacre/protocol'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { pack, unpackList } from '../src/bounded-msgpack.ts'
import { MAX_BLOCKS_PER_REQUEST, MAX_LOCATOR_IDS, MAX_STEPS_PER_REQUEST } from '../src/limits-chain.ts'
import {
  decodeBlocksRequest,
  decodeByteList,
  decodeHeadersRequest,
  decodeOpeningsRequest,
  decodeStatus,
  encodeBlocksRequest,
  encodeByteList,
  encodeHeadersRequest,
  encodeOpeningsRequest,
  encodeStatus,
  type StatusMessage,
} from '../src/messages.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'

const forge = new Forge()
const payment = transactionOf(forge.context, faucetKeys, 0n, transferTo(keysOf('x'), 5n))
forge.mine('a1', 'genesis', { transactions: [payment] })
const block = forge.block('a1')
const trace = forge.get('a1').trace!
const opening = openStep(trace, commitTrace(trace), { kind: 'attend', layer: 0, group: 0, position: 5 })
const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const minerClaim = { minerKey: id(3), signature: new Uint8Array(64).fill(4) }
const status: StatusMessage = { chainId: id(1), height: 7, tip: id(2), totalWork: 1n << 200n, minerClaim }
/** A status whose claim is this. */
const statusWith = (claim: unknown): Uint8Array => pack([1, id(1), 7, id(2), 'ff', claim])
const openings = {
  id: id(4),
  steps: STEP_KINDS.map((kind, i) => ({ kind, layer: i, group: 0, position: 70_000 })),
}

/** Each decoder with one honest message: mutations of those come closer to the edge than noise does. */
const DECODERS: [string, (bytes: Uint8Array) => unknown, Uint8Array][] = [
  ['status', decodeStatus, encodeStatus(status)],
  ['headers request', decodeHeadersRequest, encodeHeadersRequest([id(1), id(2)])],
  ['blocks request', decodeBlocksRequest, encodeBlocksRequest([id(1)])],
  ['openings request', decodeOpeningsRequest, encodeOpeningsRequest(openings)],
  ['byte list', (bytes) => decodeByteList(bytes, 16, 4096, 'list'), encodeByteList([id(1), new Uint8Array(0)])],
  ['block', (bytes) => blockCodec.decode(bytes), blockCodec.encode(block)],
  ['header', (bytes) => headerCodec.decode(bytes), headerCodec.encode(block.header)],
  ['body', (bytes) => bodyCodec.decode(bytes), bodyCodec.encode(block.body)],
  ['transaction', decodeTransaction, payment],
  ['step opening', (bytes) => stepOpeningCodec.decode(bytes), stepOpeningCodec.encode(opening)],
]

/** True if decoding ends in a value or a ProtocolError; anything else is thrown on. */
function isTotal(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  try {
    decode(bytes)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  return true
}

describe.each(DECODERS)('%s', (_name, decode, honest) => {
  test('noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => isTotal(decode, bytes)),
      { numRuns: 300 },
    )
  })

  test('an honest message with bytes changed, cut off or added', () => {
    const edits = fc.array(fc.tuple(fc.nat(honest.length - 1), fc.nat(255)), { maxLength: 4 })
    fc.assert(
      fc.property(edits, fc.nat(honest.length), fc.uint8Array({ maxLength: 8 }), (changes, keep, tail) => {
        const bytes = Uint8Array.of(...honest.slice(0, keep), ...tail)
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        return isTotal(decode, bytes)
      }),
      { numRuns: 200 },
    )
  })
})

describe('round trips', () => {
  test('status', () => {
    expect(decodeStatus(encodeStatus(status))).toEqual(status)
    const plain = { ...status, minerClaim: undefined }
    expect(decodeStatus(encodeStatus(plain))).toEqual(plain)
  })
  test('requests and lists', () => {
    expect(decodeHeadersRequest(encodeHeadersRequest([id(1), id(2)]))).toEqual([id(1), id(2)])
    expect(decodeBlocksRequest(encodeBlocksRequest([]))).toEqual([])
    expect(decodeOpeningsRequest(encodeOpeningsRequest(openings))).toEqual(openings)
    expect(decodeByteList(encodeByteList([id(9)]), 1, 100, 'list')).toEqual([id(9)])
  })
})

const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'accepted'
  } catch (error) {
    return error instanceof ProtocolError ? error.code : String(error)
  }
}

describe('bounds', () => {
  const many = (count: number): Uint8Array[] => Array.from({ length: count }, () => id(0))
  const steps = (count: number) => Array.from({ length: count }, () => openings.steps[0]!)
  test.each([
    ['locator', () => decodeHeadersRequest(encodeHeadersRequest(many(MAX_LOCATOR_IDS + 1))), 'CODEC_MALFORMED'],
    ['blocks', () => decodeBlocksRequest(encodeBlocksRequest(many(MAX_BLOCKS_PER_REQUEST + 1))), 'CODEC_MALFORMED'],
    [
      'steps',
      () => decodeOpeningsRequest(encodeOpeningsRequest({ ...openings, steps: steps(MAX_STEPS_PER_REQUEST + 1) })),
      'CODEC_MALFORMED',
    ],
    ['items', () => decodeByteList(encodeByteList(many(3)), 2, 4096, 'list'), 'CODEC_MALFORMED'],
    ['bytes', () => decodeByteList(encodeByteList(many(3)), 3, 50, 'list'), 'CODEC_TOO_LARGE'],
    ['status bytes', () => decodeStatus(new Uint8Array(1025)), 'CODEC_TOO_LARGE'],
    ['work of 289 bits', () => decodeStatus(encodeStatus({ ...status, totalWork: 1n << 288n })), 'CODEC_MALFORMED'],
    ['claim without a signature', () => decodeStatus(statusWith([id(3)])), 'CODEC_MALFORMED'],
    ['claim with more', () => decodeStatus(statusWith([id(3), minerClaim.signature, 0])), 'CODEC_MALFORMED'],
    ['claim that is a key', () => decodeStatus(statusWith(id(3))), 'CODEC_MALFORMED'],
    ['signature of 65 bytes', () => decodeStatus(statusWith([id(3), new Uint8Array(65)])), 'CODEC_MALFORMED'],
    ['id of 31 bytes', () => decodeBlocksRequest(encodeBlocksRequest([new Uint8Array(31)])), 'CODEC_MALFORMED'],
  ])('%s', (_name, run, code) => {
    expect(codeOf(run)).toBe(code)
  })
})

describe('msgpack that msgpackr itself would accept or choke on', () => {
  const packr = new Packr({ useRecords: false })
  const nested = (depth: number): Uint8Array => Uint8Array.of(...new Array<number>(depth).fill(0x91), 0xc0)
  test.each<[string, Uint8Array]>([
    ['a map', packr.pack({ a: 1 })],
    ['a map in a list', packr.pack([{ a: 1 }])],
    ['an extension', packr.pack([new Date(0)])],
    ['a negative number', packr.pack([-1])],
    ['a 32-bit float', Uint8Array.of(0x91, 0xca, 0, 0, 0, 0)],
    ['nesting of 100,000 lists', nested(100_000)],
    ['nesting of five lists', nested(6)],
    ['a list of 2^32 - 1 items', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['2^16 lists of 2^16 items', Uint8Array.of(0xdc, 0xff, 0xff, 0xdc, 0xff, 0xff)],
    ['bytes that announce 2^31', Uint8Array.of(0x91, 0xc6, 0x7f, 0xff, 0xff, 0xff)],
    ['the unused tag', Uint8Array.of(0x91, 0xc1)],
    ['no list', packr.pack('text')],
  ])('%s is malformed', (_name, bytes) => {
    expect(codeOf(() => unpackList(new Uint8Array(bytes), 1 << 20, 'message'))).toBe('CODEC_MALFORMED')
  })

  test('what the node itself packs is accepted', () => {
    const value = [1, 300, 70_000, 2 ** 40, 'text', true, null, [new Uint8Array(300), ['x']]]
    expect(unpackList(pack(value), 1 << 20, 'message')).toHaveLength(value.length)
  })
})
