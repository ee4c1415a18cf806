import * as P from 'micro-packed'
import { u32ListToBytes } from '../bytes.ts'
import { boundedBytes, boundedList, type Codec, defineCodec, u32 } from '../codec.ts'
import { taggedHash } from '../hash.ts'
import { MAX_BLOCK_TRANSACTIONS, MAX_GOSSIP_BYTES, MAX_TRANSACTION_BYTES, MAX_UNIT_TOKENS } from '../limits.ts'
import { ticketProofCodec } from '../lottery/proof.ts'
import type { TicketProof } from '../lottery/types.ts'
import { merkleRoot } from '../merkle.ts'
import { type BlockHeader, headerCodec } from './header.ts'

/** BLK-1: all tokens of the winning unit, prompt and generated, and the transactions. */
export interface BlockBody {
  readonly tokens: readonly number[]
  /** Encoded transactions in the order in which they apply. */
  readonly transactions: readonly Uint8Array[]
}

/** A block as it travels: header, body and the ticket proof that the header commits to. */
export interface Block {
  readonly header: BlockHeader
  readonly body: BlockBody
  readonly proof: TicketProof
}

const bodyCoder = P.struct({
  tokens: boundedList(MAX_UNIT_TOKENS, u32),
  transactions: boundedList(MAX_BLOCK_TRANSACTIONS, boundedBytes(MAX_TRANSACTION_BYTES)),
}) as unknown as P.CoderType<BlockBody>

export const bodyCodec: Codec<BlockBody> = defineCodec('body', bodyCoder, MAX_GOSSIP_BYTES)

export const blockCodec: Codec<Block> = defineCodec(
  'block',
  P.struct({
    header: headerCodec.coder,
    body: bodyCoder,
    proof: ticketProofCodec.coder,
  }) as unknown as P.CoderType<Block>,
  MAX_GOSSIP_BYTES,
)

/** The root that the header carries: the Merkle root of the transactions, then the tokens. */
export function bodyRoot(body: BlockBody): Uint8Array {
  return taggedHash('body', merkleRoot(body.transactions), u32ListToBytes(body.tokens))
}
