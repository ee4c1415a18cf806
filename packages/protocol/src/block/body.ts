import * as P from 'micro-packed'
import { u32ListToBytes } from '../bytes.ts'
import { boundedBytes, boundedList, type Codec, defineCodec, optional, u32 } from '../codec.ts'
import { taggedHash } from '../hash.ts'
import { decodingCoder } from '../ledger/transactions.ts'
import { MAX_BLOCK_TRANSACTIONS, MAX_GOSSIP_BYTES, MAX_TRANSACTION_BYTES, MAX_UNIT_TOKENS } from '../limits.ts'
import { merkleRoot } from '../merkle.ts'
import type { UnitTask } from '../unit/types.ts'
import { type BlockHeader, headerCodec } from './header.ts'
import { type BlockProof, proofCoder } from './proof.ts'

/** What a paid unit executes besides its prompt; a bootstrap unit's follows from the parameters (UNT-3), unless B1 is off. */
export type PaidTask = Omit<UnitTask, 'promptTokens'>

/** BLK-1: all tokens of the winning unit, prompt and generated, and the transactions. */
export interface BlockBody {
  readonly tokens: readonly number[]
  /** Present in the paid lane, and in every lane where B1 is off: with it the block can be executed again without the state that assigned it. */
  readonly task?: PaidTask | undefined
  /** Encoded transactions in the order in which they apply. */
  readonly transactions: readonly Uint8Array[]
}

/** A block as it travels: header, body and the proof that the header commits to. */
export interface Block<P extends BlockProof = BlockProof> {
  readonly header: BlockHeader
  readonly body: BlockBody
  readonly proof: P
}

/** A list of one or none: u32 maxNewTokens and the decoding, 39 bytes. */
const taskCoder: P.CoderType<PaidTask | undefined> = optional<PaidTask>(
  P.struct({ maxNewTokens: u32, decoding: decodingCoder }),
)

const bodyCoder = P.struct({
  tokens: boundedList(MAX_UNIT_TOKENS, u32),
  task: taskCoder,
  transactions: boundedList(MAX_BLOCK_TRANSACTIONS, boundedBytes(MAX_TRANSACTION_BYTES)),
}) as unknown as P.CoderType<BlockBody>

export const bodyCodec: Codec<BlockBody> = defineCodec('body', bodyCoder, MAX_GOSSIP_BYTES)

/** Header, body, proof; what the proof is follows from the header's lane. */
const blockCoder: P.CoderType<Block> = P.wrap({
  encodeStream: (writer, { header, body, proof }: Block) => {
    headerCodec.coder.encodeStream(writer, header)
    bodyCoder.encodeStream(writer, body)
    proofCoder(header.unit.lane).encodeStream(writer, proof)
  },
  decodeStream: (reader): Block => {
    const header = headerCodec.coder.decodeStream(reader)
    const body = bodyCoder.decodeStream(reader)
    return { header, body, proof: proofCoder(header.unit.lane).decodeStream(reader) }
  },
})

export const blockCodec: Codec<Block> = defineCodec('block', blockCoder, MAX_GOSSIP_BYTES)

/** The root that the header carries: the Merkle root of the transactions, the task as the body encodes it, the tokens. */
export function bodyRoot(body: BlockBody): Uint8Array {
  const task = taskCoder.encode(body.task)
  return taggedHash('body', merkleRoot(body.transactions), task, u32ListToBytes(body.tokens))
}
