/** The proof that a block carries for its ticket: of a unit's tile (WRK-7), or a plain proof in the open lane (chapter 12). */
import type * as P from 'micro-packed'
import { boundedBytes } from '../codec.ts'
import { check } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import { MAX_OPEN_PROOF_BYTES } from '../limits.ts'
import { ticketProofCodec, ticketProofHash } from '../lottery/proof.ts'
import type { TicketProof } from '../lottery/types.ts'
import { LANE_OPEN, type Lane } from '../unit/types.ts'

/** A ticket proof, or the bytes of a plain proof as `pearl.encodePlainProof` gives them. */
export type BlockProof = TicketProof | Uint8Array

/** The hash that a header carries for its proof (BLK-1). */
export function blockProofHash(proof: BlockProof): Uint8Array {
  return proof instanceof Uint8Array ? taggedHash('ticketProof', proof) : ticketProofHash(proof)
}

const plainProofCoder: P.CoderType<Uint8Array> = boundedBytes(MAX_OPEN_PROOF_BYTES)

/** The coder of the proof of a block whose unit is in `lane`: a plain proof is u32 length and bytes. */
export function proofCoder(lane: Lane): P.CoderType<BlockProof> {
  return (lane === LANE_OPEN ? plainProofCoder : ticketProofCodec.coder) as P.CoderType<BlockProof>
}

/** The ticket proof of a block that is not in the open lane. Throws TICKET_PROOF_SHAPE. */
export function ticketProofOf(proof: BlockProof): TicketProof {
  check(!(proof instanceof Uint8Array), 'TICKET_PROOF_SHAPE', 'a plain proof belongs to the open lane')
  return proof
}

/** The plain proof of a block of the open lane. Throws PEARL_PROOF. */
export function plainProofOf(proof: BlockProof): Uint8Array {
  check(proof instanceof Uint8Array, 'PEARL_PROOF', 'a block of the open lane has a plain proof')
  return proof
}
