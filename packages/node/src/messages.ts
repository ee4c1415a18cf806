/**
 * Request and response bodies: bounded msgpack, positional arrays, never hashed (CNV-1). Everything read from a peer is
 * checked field by field here, so that the code above works on typed values.
 */
import { STEP_KINDS, type StepRef } from '@nacre/protocol'
import { malformed, pack, unpackList } from './bounded-msgpack.ts'
import { MAX_BLOCKS_PER_REQUEST, MAX_LOCATOR_IDS, MAX_STEPS_PER_REQUEST } from './limits-chain.ts'
import type { MinerClaim } from './miner-claims.ts'

/** Request protocols by name. */
export const REQUEST = { status: 'status', headers: 'headers', blocks: 'blocks', openings: 'openings' } as const

const asBytes = (value: unknown, what: string, length?: number): Uint8Array => {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) throw malformed(what)
  return new Uint8Array(value)
}
const asInteger = (value: unknown, max: number, what: string): number => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) throw malformed(what)
  return value
}
const asList = (value: unknown, max: number, what: string): unknown[] => {
  if (!Array.isArray(value) || value.length > max) throw malformed(what)
  return value
}

/** What peers tell each other first. */
export interface StatusMessage {
  readonly chainId: Uint8Array
  readonly height: number
  readonly tip: Uint8Array
  /** Accumulated work claimed; proved only by headers. */
  readonly totalWork: bigint
  /** Of the miner at this node, if any: who to ask for openings of its units. Proved only by its signature. */
  readonly minerClaim: MinerClaim | undefined
}

export function encodeStatus(status: StatusMessage): Uint8Array {
  const { chainId, height, tip, totalWork, minerClaim } = status
  const claim = minerClaim === undefined ? null : [minerClaim.minerKey, minerClaim.signature]
  return pack([1, chainId, height, tip, totalWork.toString(16), claim])
}

export function decodeStatus(bytes: Uint8Array): StatusMessage {
  const [version, chainId, height, tip, work, claim, ...rest] = unpackList(bytes, 1024, 'status')
  if (version !== 1 || rest.length > 0 || typeof work !== 'string' || !/^[0-9a-f]{1,72}$/.test(work))
    throw malformed('status')
  return {
    chainId: asBytes(chainId, 'status', 32),
    height: asInteger(height, 0xffffffff, 'status'),
    tip: asBytes(tip, 'status', 32),
    totalWork: BigInt(`0x${work as string}`),
    minerClaim: claim === null ? undefined : asMinerClaim(claim),
  }
}

function asMinerClaim(value: unknown): MinerClaim {
  const [minerKey, signature] = asList(value, 2, 'status')
  return { minerKey: asBytes(minerKey, 'status', 32), signature: asBytes(signature, 'status', 64) }
}

/** Asks for headers after the newest locator id on the answerer's best chain. */
export function encodeHeadersRequest(locator: readonly Uint8Array[]): Uint8Array {
  return pack([...locator])
}

export function decodeHeadersRequest(bytes: Uint8Array): Uint8Array[] {
  return asList(unpackList(bytes, 4096, 'headers request'), MAX_LOCATOR_IDS, 'headers request').map((id) =>
    asBytes(id, 'headers request', 32),
  )
}

/** A list of encoded headers, blocks or openings; an empty item stands for "not here". */
export function encodeByteList(items: readonly Uint8Array[]): Uint8Array {
  return pack([...items])
}

export function decodeByteList(bytes: Uint8Array, maxItems: number, maxBytes: number, what: string): Uint8Array[] {
  return asList(unpackList(bytes, maxBytes, what), maxItems, what).map((item) => asBytes(item, what))
}

export function encodeBlocksRequest(ids: readonly Uint8Array[]): Uint8Array {
  return pack([...ids])
}

export function decodeBlocksRequest(bytes: Uint8Array): Uint8Array[] {
  return asList(unpackList(bytes, 4096, 'blocks request'), MAX_BLOCKS_PER_REQUEST, 'blocks request').map((id) =>
    asBytes(id, 'blocks request', 32),
  )
}

/** Asks for openings of steps of one unit. */
export interface OpeningsRequest {
  /**
   * Of the block that the unit won, or of the job that it delivered, or the root of the honest trace of a planted unit (AUD-8): all are
   * hashes, so no block has the id of a job.
   */
  readonly id: Uint8Array
  readonly steps: readonly StepRef[]
}

export function encodeOpeningsRequest(request: OpeningsRequest): Uint8Array {
  const steps = request.steps.map((step) => [STEP_KINDS.indexOf(step.kind), step.layer, step.group, step.position])
  return pack([request.id, steps])
}

export function decodeOpeningsRequest(bytes: Uint8Array): OpeningsRequest {
  const what = 'openings request'
  const [id, steps, ...rest] = unpackList(bytes, 1024, what)
  if (rest.length > 0) throw malformed(what)
  return {
    id: asBytes(id, what, 32),
    steps: asList(steps, MAX_STEPS_PER_REQUEST, what).map((step) => {
      const [kind, layer, group, position, ...more] = asList(step, 4, what)
      if (more.length > 0) throw malformed(what)
      return {
        kind: STEP_KINDS[asInteger(kind, STEP_KINDS.length - 1, what)]!,
        layer: asInteger(layer, 0xffff, what),
        group: asInteger(group, 0xffff, what),
        position: asInteger(position, 0xffffffff, what),
      }
    }),
  }
}
