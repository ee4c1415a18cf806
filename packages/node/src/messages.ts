/**
 * Request and response bodies: bounded msgpack, positional arrays, never hashed (CNV-1). Everything read from a peer is
 * checked field by field here, so that the code above works on typed values.
 */
import { check, ProtocolError, STEP_KINDS, type StepRef } from '@nacre/protocol'
import { Packr } from 'msgpackr'
import {
  MAX_BLOCKS_PER_REQUEST,
  MAX_LOCATOR_IDS,
  MAX_STEPS_PER_REQUEST,
} from './limits-chain.ts'

const packr = new Packr({ useRecords: false, mapsAsObjects: true })

/** Request protocols by name. */
export const REQUEST = { status: 'status', headers: 'headers', blocks: 'blocks', openings: 'openings' } as const

const malformed = (what: string): never => {
  throw new ProtocolError('CODEC_MALFORMED', `${what} is not of the expected form`)
}

/** msgpackr overflows the stack on deep nesting; nothing here nests deeper than this. */
const MAX_DEPTH = 4

function unpack(bytes: Uint8Array, maxBytes: number, what: string): unknown[] {
  check(bytes.length <= maxBytes, 'CODEC_TOO_LARGE', `${what} has ${bytes.length} bytes, the limit is ${maxBytes}`)
  checkDepth(bytes, what)
  let value: unknown
  try {
    value = packr.unpack(bytes)
  } catch (cause) {
    throw new ProtocolError('CODEC_MALFORMED', `${what} is no msgpack`, { cause })
  }
  return Array.isArray(value) ? value : malformed(what)
}

/**
 * Walks the msgpack structure without building it: only arrays, unsigned integers, byte strings, short strings, booleans
 * and nil, nested at most MAX_DEPTH deep, with every announced length inside the message.
 */
function checkDepth(bytes: Uint8Array, what: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const need = (count: number): void => {
    if (at + count > bytes.length) malformed(what)
  }
  const skip = (count: number): void => {
    need(count)
    at += count
  }
  const length = (size: 1 | 2 | 4): number => {
    need(size)
    const value = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at)
    at += size
    return value
  }
  const walk = (depth: number): void => {
    if (depth > MAX_DEPTH) malformed(what)
    const tag = length(1)
    if (tag <= 0x7f || tag === 0xc0 || tag === 0xc2 || tag === 0xc3) return
    if (tag >= 0x90 && tag <= 0x9f) return list(tag & 0x0f, depth)
    if (tag >= 0xa0 && tag <= 0xbf) return skip(tag & 0x1f)
    switch (tag) {
      case 0xc4:
      case 0xd9:
        return skip(length(1))
      case 0xc5:
      case 0xda:
        return skip(length(2))
      case 0xc6:
      case 0xdb:
        return skip(length(4))
      case 0xcc:
        return skip(1)
      case 0xcd:
        return skip(2)
      case 0xce:
        return skip(4)
      case 0xcf:
      case 0xcb:
        return skip(8)
      case 0xdc:
        return list(length(2), depth)
      case 0xdd:
        return list(length(4), depth)
      default:
        malformed(what)
    }
  }
  const list = (count: number, depth: number): void => {
    if (count > bytes.length) malformed(what)
    for (let i = 0; i < count; i++) walk(depth + 1)
  }
  walk(0)
  if (at !== bytes.length) throw new ProtocolError('CODEC_TRAILING_BYTES', `${what} has bytes after the end`)
}

const asBytes = (value: unknown, what: string, length?: number): Uint8Array => {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) return malformed(what)
  return new Uint8Array(value)
}
const asInteger = (value: unknown, max: number, what: string): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max ? value : malformed(what)
const asList = (value: unknown, max: number, what: string): unknown[] =>
  Array.isArray(value) && value.length <= max ? value : malformed(what)

/** What peers tell each other first. */
export interface StatusMessage {
  readonly chainId: Uint8Array
  readonly height: number
  readonly tip: Uint8Array
  /** Accumulated work claimed; proved only by headers. */
  readonly totalWork: bigint
  /** Key of the miner at this node, if any: who to ask for openings of its units. */
  readonly minerKey: Uint8Array | undefined
}

export function encodeStatus(status: StatusMessage): Uint8Array {
  return packr.pack([1, status.chainId, status.height, status.tip, status.totalWork.toString(16), status.minerKey ?? null])
}

export function decodeStatus(bytes: Uint8Array): StatusMessage {
  const [version, chainId, height, tip, work, minerKey, ...rest] = unpack(bytes, 1024, 'status')
  if (version !== 1 || rest.length > 0 || typeof work !== 'string' || !/^[0-9a-f]{1,72}$/.test(work)) malformed('status')
  return {
    chainId: asBytes(chainId, 'status', 32),
    height: asInteger(height, 0xffffffff, 'status'),
    tip: asBytes(tip, 'status', 32),
    totalWork: BigInt(`0x${work as string}`),
    minerKey: minerKey === null ? undefined : asBytes(minerKey, 'status', 32),
  }
}

/** Asks for headers after the newest locator id on the answerer's best chain. */
export function encodeHeadersRequest(locator: readonly Uint8Array[]): Uint8Array {
  return packr.pack([...locator])
}

export function decodeHeadersRequest(bytes: Uint8Array): Uint8Array[] {
  return asList(unpack(bytes, 4096, 'headers request'), MAX_LOCATOR_IDS, 'headers request').map((id) =>
    asBytes(id, 'headers request', 32),
  )
}

/** A list of encoded headers, blocks or openings; an empty item stands for "not here". */
export function encodeByteList(items: readonly Uint8Array[]): Uint8Array {
  return packr.pack([...items])
}

export function decodeByteList(bytes: Uint8Array, maxItems: number, maxBytes: number, what: string): Uint8Array[] {
  return asList(unpack(bytes, maxBytes, what), maxItems, what).map((item) => asBytes(item, what))
}

export function encodeBlocksRequest(ids: readonly Uint8Array[]): Uint8Array {
  return packr.pack([...ids])
}

export function decodeBlocksRequest(bytes: Uint8Array): Uint8Array[] {
  return asList(unpack(bytes, 4096, 'blocks request'), MAX_BLOCKS_PER_REQUEST, 'blocks request').map((id) =>
    asBytes(id, 'blocks request', 32),
  )
}

/** Asks for openings of steps of the unit that won a block. */
export interface OpeningsRequest {
  readonly blockId: Uint8Array
  readonly steps: readonly StepRef[]
}

export function encodeOpeningsRequest(request: OpeningsRequest): Uint8Array {
  const steps = request.steps.map((step) => [STEP_KINDS.indexOf(step.kind), step.layer, step.group, step.position])
  return packr.pack([request.blockId, steps])
}

export function decodeOpeningsRequest(bytes: Uint8Array): OpeningsRequest {
  const what = 'openings request'
  const [blockId, steps, ...rest] = unpack(bytes, 1024, what)
  if (rest.length > 0) malformed(what)
  return {
    blockId: asBytes(blockId, what, 32),
    steps: asList(steps, MAX_STEPS_PER_REQUEST, what).map((step) => {
      const [kind, layer, group, position, ...more] = asList(step, 4, what)
      if (more.length > 0) malformed(what)
      return {
        kind: STEP_KINDS[asInteger(kind, STEP_KINDS.length - 1, what)]!,
        layer: asInteger(layer, 0xffff, what),
        group: asInteger(group, 0xffff, what),
        position: asInteger(position, 0xffffffff, what),
      }
    }),
  }
}
