/** State entries of audits: codecs, typed reading and writing (docs/spec/11-audits.md). */
import * as P from 'micro-packed'
import {
  bool,
  boundedReadonlyList,
  bytes32,
  type Codec,
  defineCodec,
  fixedBytes,
  optional,
  u32,
  u64,
} from '../codec.ts'
import { ADDRESS_BYTES } from '../keys.ts'
import { MAX_SETTLED_HEIGHTS, readEntry, writeEntry, writeListEntry } from '../ledger/entries.ts'
import {
  accusationEndKey,
  accusationKey,
  auditEndKey,
  auditKey,
  auditorKey,
  auditorsKey,
  challengesDueKey,
  challengesKey,
  unitCountKey,
  verdictsKey,
} from '../ledger/keys.ts'
import type { StateDraft, StateReader } from '../ledger/state.ts'
import { decodingCoder } from '../ledger/transactions.ts'
import {
  MAX_AUDIT_STEPS,
  MAX_BLOCK_PROOFS,
  MAX_BLOCK_TRANSACTIONS,
  MAX_DUE_CHALLENGES,
  MAX_EPOCH_VERIFIERS,
  MAX_UNIT_CHALLENGES,
} from '../limits.ts'
import { stepRefCoder } from '../trace/opening.ts'
import type { StepRef } from '../trace/types.ts'
import type { Decoding } from '../unit/types.ts'
import { DIGEST_BYTES, digestsCoder } from './payloads.ts'

/** A delivered unit from its receipt until its payment matures: all that its audit needs, besides the prompt's tokens. */
export interface AuditedUnit {
  readonly minerKey: Uint8Array
  /** Account of the client, 20 bytes. */
  readonly client: Uint8Array
  readonly modelId: Uint8Array
  readonly unitId: Uint8Array
  readonly traceRoot: Uint8Array
  /** See `answerHash`. */
  readonly answerHash: Uint8Array
  readonly promptTokens: number
  readonly newTokens: number
  readonly maxNewTokens: number
  readonly decoding: Decoding
  /** Of the block whose beacon opened the assignment. */
  readonly openedHeight: number
  readonly receiptHeight: number
  /** AUD-2, as of the receipt: for all verifiers together. */
  readonly ratePpm: number
  /** What the job is charged, in grains. */
  readonly feeGrains: bigint
  /** What of it burns, whoever audits. */
  readonly burnedGrains: bigint
  /** What of it is immature with the miner; 0 before the settlement. */
  readonly paidGrains: bigint
  /** Height from which on the unit can no longer be audited; 0 while it has not settled. */
  readonly endHeight: number
  /** Fraud is proven: the money has gone back. */
  readonly isCondemned: boolean
}

/** Units that a miner has delivered (AUD-2). */
export interface UnitCounts {
  /** With a payment that has not matured. */
  readonly atStake: number
  /** With one that has, and no fraud. */
  readonly matured: number
}

/** A committed accusation. */
export interface AccusationRecord {
  readonly deposit: bigint
  readonly height: number
}
export interface AccusationEnd {
  readonly sender: Uint8Array
  readonly commitment: Uint8Array
}

/** A verifier in one epoch (AUD-1). */
export interface Auditor {
  readonly commitment: Uint8Array
  /** Once revealed. */
  readonly secret: Uint8Array | undefined
}

/** A verdict on a unit (AUD-5). */
export interface VerdictRecord {
  readonly verifier: Uint8Array
  readonly digests: readonly Uint8Array[]
}

/** A challenge of a unit (AUD-3); it stays, without its bond, when it is answered. */
export interface ChallengeRecord {
  /** Public key. */
  readonly challenger: Uint8Array
  readonly ref: StepRef
  /** Grains; 0 once answered. */
  readonly bond: bigint
  /** Height of its block. */
  readonly height: number
  /** Height of the last block that may contain the response, as far as is known; 0 once answered. */
  readonly dueHeight: number
}

function listOf<T>(name: string, most: number, itemBytes: number, item: P.CoderType<T>): Codec<readonly T[]> {
  return defineCodec<readonly T[]>(name, boundedReadonlyList(most, item), 4 + itemBytes * most)
}

export const auditedUnitCodec: Codec<AuditedUnit> = defineCodec<AuditedUnit>(
  'audited unit',
  P.struct({
    minerKey: bytes32,
    client: fixedBytes(ADDRESS_BYTES),
    modelId: bytes32,
    unitId: bytes32,
    traceRoot: bytes32,
    answerHash: bytes32,
    promptTokens: u32,
    newTokens: u32,
    maxNewTokens: u32,
    decoding: decodingCoder,
    openedHeight: u32,
    receiptHeight: u32,
    ratePpm: u32,
    feeGrains: u64,
    burnedGrains: u64,
    paidGrains: u64,
    endHeight: u32,
    isCondemned: bool,
  }) as unknown as P.CoderType<AuditedUnit>,
  5 * 32 + ADDRESS_BYTES + 3 * 4 + 35 + 3 * 4 + 3 * 8 + 4 + 1,
)
/**
 * Jobs of the receipts that settle in one block, of those of one height that were condemned before that, and of those that waited
 * for their settlement so long that the block before condemned them for it: as many as it has proofs.
 */
export const jobIdsCodec: Codec<readonly Uint8Array[]> = listOf(
  'audited jobs',
  (MAX_SETTLED_HEIGHTS + 1) * MAX_BLOCK_TRANSACTIONS + MAX_BLOCK_PROOFS,
  32,
  bytes32,
)
export const dueCodec: Codec<readonly Uint8Array[]> = listOf('challenged jobs', MAX_DUE_CHALLENGES, 32, bytes32)
export const unitCountsCodec: Codec<UnitCounts> = defineCodec<UnitCounts>(
  'unit counts',
  P.struct({ atStake: u32, matured: u32 }),
  8,
)
export const accusationCodec: Codec<AccusationRecord> = defineCodec<AccusationRecord>(
  'accusation record',
  P.struct({ deposit: u64, height: u32 }),
  12,
)
export const accusationEndsCodec: Codec<readonly AccusationEnd[]> = listOf<AccusationEnd>(
  'accusation ends',
  MAX_BLOCK_TRANSACTIONS,
  64,
  P.struct({ sender: bytes32, commitment: bytes32 }),
)
export const auditorsCodec: Codec<readonly Uint8Array[]> = listOf('auditors', MAX_EPOCH_VERIFIERS, 32, bytes32)
export const auditorCodec: Codec<Auditor> = defineCodec<Auditor>(
  'auditor',
  P.struct({ commitment: bytes32, secret: optional(bytes32) }) as unknown as P.CoderType<Auditor>,
  32 + 4 + 32,
)
export const verdictsCodec: Codec<readonly VerdictRecord[]> = listOf<VerdictRecord>(
  'verdicts',
  MAX_EPOCH_VERIFIERS,
  32 + 4 + DIGEST_BYTES * MAX_AUDIT_STEPS,
  P.struct({ verifier: bytes32, digests: digestsCoder }),
)
export const challengesCodec: Codec<readonly ChallengeRecord[]> = listOf<ChallengeRecord>(
  'challenges',
  MAX_UNIT_CHALLENGES,
  32 + 13 + 8 + 4 + 4,
  P.struct({ challenger: bytes32, ref: stepRefCoder, bond: u64, height: u32, dueHeight: u32 }),
)

const NO_COUNTS: UnitCounts = { atStake: 0, matured: 0 }

/** A delivered unit that can still be audited. @param jobId 32 bytes. */
export const readAuditedUnit = (reader: StateReader, jobId: Uint8Array): AuditedUnit | undefined =>
  readEntry(reader, auditKey(jobId), auditedUnitCodec)
/** Jobs whose units can no longer be audited from `height` on. */
export const readAuditEnds = (reader: StateReader, height: number): readonly Uint8Array[] =>
  readEntry(reader, auditEndKey(height), jobIdsCodec) ?? []
export const readUnitCounts = (reader: StateReader, minerKey: Uint8Array): UnitCounts =>
  readEntry(reader, unitCountKey(minerKey), unitCountsCodec) ?? NO_COUNTS
/** @param sender public key. */
export const readAccusation = (
  reader: StateReader,
  sender: Uint8Array,
  commitment: Uint8Array,
): AccusationRecord | undefined => readEntry(reader, accusationKey(sender, commitment), accusationCodec)
export const readAccusationEnds = (reader: StateReader, height: number): readonly AccusationEnd[] =>
  readEntry(reader, accusationEndKey(height), accusationEndsCodec) ?? []
/** Public keys of the verifiers that committed to a secret for an epoch, in the order in which they did. */
export const readAuditors = (reader: StateReader, epoch: number): readonly Uint8Array[] =>
  readEntry(reader, auditorsKey(epoch), auditorsCodec) ?? []
/** A verifier's secret of an epoch; nothing if it did not commit, or has lost its place by a false verdict. */
export const readAuditor = (reader: StateReader, epoch: number, verifier: Uint8Array): Auditor | undefined =>
  readEntry(reader, auditorKey(epoch, verifier), auditorCodec)
export const readVerdicts = (reader: StateReader, jobId: Uint8Array): readonly VerdictRecord[] =>
  readEntry(reader, verdictsKey(jobId), verdictsCodec) ?? []
/** All challenges of a unit, answered ones too. */
export const readChallenges = (reader: StateReader, jobId: Uint8Array): readonly ChallengeRecord[] =>
  readEntry(reader, challengesKey(jobId), challengesCodec) ?? []
/** Jobs with a challenge that comes due at `height`. */
export const readChallengesDue = (reader: StateReader, height: number): readonly Uint8Array[] =>
  readEntry(reader, challengesDueKey(height), dueCodec) ?? []

export const writeAuditedUnit = (draft: StateDraft, jobId: Uint8Array, unit: AuditedUnit | undefined): void =>
  writeEntry(draft, auditKey(jobId), auditedUnitCodec, unit)
export const writeAuditEnds = (draft: StateDraft, height: number, jobIds: readonly Uint8Array[]): void =>
  writeListEntry(draft, auditEndKey(height), jobIdsCodec, jobIds)
export const writeUnitCounts = (draft: StateDraft, minerKey: Uint8Array, counts: UnitCounts): void =>
  writeEntry(draft, unitCountKey(minerKey), unitCountsCodec, counts.atStake + counts.matured > 0 ? counts : undefined)
export const writeAccusation = (
  draft: StateDraft,
  sender: Uint8Array,
  commitment: Uint8Array,
  record: AccusationRecord | undefined,
): void => writeEntry(draft, accusationKey(sender, commitment), accusationCodec, record)
export const writeAccusationEnds = (draft: StateDraft, height: number, ends: readonly AccusationEnd[]): void =>
  writeListEntry(draft, accusationEndKey(height), accusationEndsCodec, ends)
export const writeAuditors = (draft: StateDraft, epoch: number, keys: readonly Uint8Array[]): void =>
  writeListEntry(draft, auditorsKey(epoch), auditorsCodec, keys)
export const writeAuditor = (
  draft: StateDraft,
  epoch: number,
  verifier: Uint8Array,
  auditor: Auditor | undefined,
): void => writeEntry(draft, auditorKey(epoch, verifier), auditorCodec, auditor)
export const writeVerdicts = (draft: StateDraft, jobId: Uint8Array, verdicts: readonly VerdictRecord[]): void =>
  writeListEntry(draft, verdictsKey(jobId), verdictsCodec, verdicts)
export const writeChallenges = (draft: StateDraft, jobId: Uint8Array, challenges: readonly ChallengeRecord[]): void =>
  writeListEntry(draft, challengesKey(jobId), challengesCodec, challenges)
export const writeChallengesDue = (draft: StateDraft, height: number, jobIds: readonly Uint8Array[]): void =>
  writeListEntry(draft, challengesDueKey(height), dueCodec, jobIds)
