/** Payloads of the transactions of chapter 11. Exact bytes: docs/spec/11-audits.md. */
import * as P from 'micro-packed'
import { boundedReadonlyList, bytes32, type Codec, defineCodec, fixedBytes, u16, u32, u64 } from '../codec.ts'
import { MAX_AUDIT_STEPS, MAX_PLANTS, MAX_STEP_OPENING_BYTES } from '../limits.ts'
import { type StepOpening, stepOpeningCodec, stepRefCoder } from '../trace/opening.ts'
import type { StepRef } from '../trace/types.ts'

/** Bytes of one digest of a transcript (AUD-5). */
export const DIGEST_BYTES = 8

/** Locks a deposit for an accusation whose proof follows (AUD-4, AUD-6). */
export interface Accusation {
  readonly kind: 'accusation'
  /** See `accusationCommitment`, 32 bytes. */
  readonly commitment: Uint8Array
}
/** A step of a delivered unit that its trace contradicts (AUD-4). */
export interface FraudProof {
  readonly kind: 'fraudProof'
  readonly jobId: Uint8Array
  /** What hid the commitment, 32 bytes. */
  readonly salt: Uint8Array
  readonly opening: StepOpening
}
/** A verdict that its verifier's revealed secret contradicts (AUD-5). */
export interface VerdictProof {
  readonly kind: 'verdictProof'
  readonly jobId: Uint8Array
  /** Public key of the verifier. */
  readonly verifier: Uint8Array
  /** Index of the step in `auditedSteps`. */
  readonly step: number
  readonly salt: Uint8Array
  readonly opening: StepOpening
}
/** Commits to a secret for the next epoch (AUD-1). */
export interface VerifierCommit {
  readonly kind: 'verifierCommit'
  readonly epoch: number
  /** See `secretCommitment`, 32 bytes. */
  readonly commitment: Uint8Array
}
/** The secret of an epoch that is over (AUD-1). */
export interface VerifierReveal {
  readonly kind: 'verifierReveal'
  readonly epoch: number
  readonly secret: Uint8Array
}
/** All audited steps of a unit are right (AUD-5). */
export interface UnitVerdict {
  readonly kind: 'verdict'
  readonly jobId: Uint8Array
  /** What was delivered, and at which height: see `deliveryId`, 32 bytes. */
  readonly delivery: Uint8Array
  /** One digest of 8 bytes for each drawn step, in the order of the draws. */
  readonly digests: readonly Uint8Array[]
}
/** Asks the miner of a delivered unit to open a step on the chain (AUD-3). */
export interface Challenge {
  readonly kind: 'challenge'
  readonly jobId: Uint8Array
  readonly ref: StepRef
  /** Grains, which the miner gets if the step is opened. */
  readonly bond: bigint
}
/** Opens a challenged step. */
export interface Response {
  readonly kind: 'response'
  readonly jobId: Uint8Array
  readonly opening: StepOpening
}
/** Commits to a secret that draws which units of the sender's in the next epoch may be planted faults (AUD-8). */
export interface PlantCommit {
  readonly kind: 'plantCommit'
  readonly epoch: number
  /** See `plantCommitment`, 32 bytes. */
  readonly commitment: Uint8Array
}
/** A delivered unit whose receipt has a trace root that its miner made wrong on purpose. */
export interface Plant {
  readonly jobId: Uint8Array
  /** Of the unit's honest trace, which answers for the unit from now on. */
  readonly traceRoot: Uint8Array
}
/** The secret of an epoch that is over, and the units that were planted by it (AUD-8). */
export interface PlantReveal {
  readonly kind: 'plantReveal'
  readonly epoch: number
  readonly secret: Uint8Array
  readonly plants: readonly Plant[]
}
export type AuditBody =
  | Accusation
  | FraudProof
  | VerdictProof
  | VerifierCommit
  | VerifierReveal
  | UnitVerdict
  | Challenge
  | Response
  | PlantCommit
  | PlantReveal
export type AuditKind = AuditBody['kind']
type Payload<K extends AuditKind> = Omit<Extract<AuditBody, { kind: K }>, 'kind'>

/** Digests of a verdict: at most MAX_AUDIT_STEPS of 8 bytes. */
export const digestsCoder: P.CoderType<readonly Uint8Array[]> = boundedReadonlyList(
  MAX_AUDIT_STEPS,
  fixedBytes(DIGEST_BYTES),
)
const opening = stepOpeningCodec.coder

/** Codecs by kind. A proof and a response hold one opening of at most 256 KiB (TRC-4). */
export const AUDIT_PAYLOADS: { readonly [K in AuditKind]: Codec<Payload<K>> } = {
  accusation: defineCodec('accusation', P.struct({ commitment: bytes32 }), 32),
  fraudProof: defineCodec<Payload<'fraudProof'>>(
    'fraud proof',
    P.struct({ jobId: bytes32, salt: bytes32, opening }),
    2 * 32 + MAX_STEP_OPENING_BYTES,
  ),
  verdictProof: defineCodec<Payload<'verdictProof'>>(
    'verdict proof',
    P.struct({ jobId: bytes32, verifier: bytes32, step: u16, salt: bytes32, opening }),
    3 * 32 + 2 + MAX_STEP_OPENING_BYTES,
  ),
  verifierCommit: defineCodec('verifier commit', P.struct({ epoch: u32, commitment: bytes32 }), 36),
  verifierReveal: defineCodec('verifier reveal', P.struct({ epoch: u32, secret: bytes32 }), 36),
  verdict: defineCodec<Payload<'verdict'>>(
    'verdict',
    P.struct({ jobId: bytes32, delivery: bytes32, digests: digestsCoder }),
    2 * 32 + 4 + DIGEST_BYTES * MAX_AUDIT_STEPS,
  ),
  challenge: defineCodec<Payload<'challenge'>>(
    'challenge',
    P.struct({ jobId: bytes32, ref: stepRefCoder, bond: u64 }),
    32 + 13 + 8,
  ),
  response: defineCodec<Payload<'response'>>(
    'response',
    P.struct({ jobId: bytes32, opening }),
    32 + MAX_STEP_OPENING_BYTES,
  ),
  plantCommit: defineCodec('plant commit', P.struct({ epoch: u32, commitment: bytes32 }), 36),
  plantReveal: defineCodec<Payload<'plantReveal'>>(
    'plant reveal',
    P.struct({
      epoch: u32,
      secret: bytes32,
      plants: boundedReadonlyList(MAX_PLANTS, P.struct({ jobId: bytes32, traceRoot: bytes32 })),
    }),
    4 + 32 + 4 + 64 * MAX_PLANTS,
  ),
}
