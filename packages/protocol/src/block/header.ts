import * as P from 'micro-packed'
import { bytes32, bytes64, type Codec, defineCodec, fixedBytes, u8, u16, u32, u64Safe } from '../codec.ts'
import { taggedHash } from '../hash.ts'
import { type KeyPair, signHash, verifyHash } from '../keys.ts'
import { MAX_HEADER_BYTES } from '../limits.ts'
import { FOLD_WORDS, type TicketPosition } from '../lottery/types.ts'
import type { TicketOp } from '../trace/types.ts'
import { LANE_OPEN, type Lane, type UnitDescriptor } from '../unit/types.ts'

export const BLOCK_VERSION = 1

/** BLK-1. The id is the hash of everything but the signature. */
export interface BlockHeader {
  readonly version: number
  /** Hash of the parameters: networks with different rules never mix. */
  readonly chainId: Uint8Array
  readonly height: number
  readonly parentId: Uint8Array
  readonly timeMs: number
  /** Compact target. */
  readonly bits: number
  readonly beacon: Uint8Array
  readonly bodyRoot: Uint8Array
  /** Root of the state after this block. */
  readonly stateRoot: Uint8Array
  readonly minerKey: Uint8Array
  readonly unit: UnitDescriptor
  /** P of the unit: with it the header alone says what its tickets are worth (WRK-4). */
  readonly promptTokens: number
  /** In the open lane the seed of A's noise, which keys the ticket. */
  readonly traceRoot: Uint8Array
  readonly ticket: TicketPosition
  /** 16 words of the winning tile. */
  readonly foldState: Uint32Array
  readonly ticketProofHash: Uint8Array
  readonly signature: Uint8Array
}

export type UnsignedHeader = Omit<BlockHeader, 'signature'>

const foldState: P.CoderType<Uint32Array> = P.apply(fixedBytes(4 * FOLD_WORDS), {
  encode: (bytes: Uint8Array): Uint32Array => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    return Uint32Array.from({ length: FOLD_WORDS }, (_, i) => view.getUint32(4 * i, true))
  },
  decode: (words: Uint32Array): Uint8Array => {
    if (words.length !== FOLD_WORDS) throw new Error(`a fold state has ${FOLD_WORDS} words`)
    const bytes = new Uint8Array(4 * FOLD_WORDS)
    const view = new DataView(bytes.buffer)
    words.forEach((word, i) => {
      view.setUint32(4 * i, word, true)
    })
    return bytes
  },
})

const lane: P.CoderType<Lane> = P.validate(u8, (value: number) => {
  if (value > LANE_OPEN) throw new Error(`lane ${value} is unknown`)
  return value
}) as P.CoderType<Lane>

const op: P.CoderType<TicketOp> = P.validate(u8, (value: number) => {
  if (value > 1) throw new Error(`ticket operation ${value} is unknown`)
  return value
}) as P.CoderType<TicketOp>

const unsignedFields = {
  version: u16,
  chainId: bytes32,
  height: u32,
  parentId: bytes32,
  timeMs: u64Safe,
  bits: u32,
  beacon: bytes32,
  bodyRoot: bytes32,
  stateRoot: bytes32,
  minerKey: bytes32,
  unit: P.struct({ lane, modelId: bytes32, parentId: bytes32, jobId: bytes32, counter: u32 }),
  promptTokens: u32,
  traceRoot: bytes32,
  ticket: P.struct({ layer: u16, op, tileRow: u16, tileColumn: u16 }),
  foldState,
  ticketProofHash: bytes32,
}

const unsignedHeaderCodec: Codec<UnsignedHeader> = defineCodec(
  'unsigned header',
  P.struct(unsignedFields) as P.CoderType<UnsignedHeader>,
  MAX_HEADER_BYTES,
)

export const headerCodec: Codec<BlockHeader> = defineCodec(
  'header',
  P.struct({ ...unsignedFields, signature: bytes64 }) as P.CoderType<BlockHeader>,
  MAX_HEADER_BYTES,
)

/** The block id: hash of the header without its signature, so a re-encoded signature makes no second block. */
export function blockId(header: UnsignedHeader): Uint8Array {
  return taggedHash('block', unsignedHeaderCodec.encode(header))
}

export function signHeader(header: UnsignedHeader, keys: KeyPair): BlockHeader {
  return { ...header, signature: signHash(blockId(header), keys) }
}

/** True if the header carries its miner's signature. Never throws for a decoded header. */
export function hasValidSignature(header: BlockHeader): boolean {
  return verifyHash(blockId(header), header.signature, header.minerKey)
}
