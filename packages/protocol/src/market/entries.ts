/** State entries of jobs and markets: codecs, typed reading and writing (docs/spec/10-market.md). */
import * as P from 'micro-packed'
import {
  boundedReadonlyList,
  bytes32,
  type Codec,
  defineCodec,
  fixedBytes,
  optional,
  u8,
  u32,
  u64,
  u128,
} from '../codec.ts'
import { ADDRESS_BYTES } from '../keys.ts'
import { readEntry, writeEntry, writeListEntry } from '../ledger/entries.ts'
import {
  asksKey,
  assignedKey,
  blockIdKey,
  CLEARED_KEY,
  jobKey,
  marketKey,
  openKey,
  pendingAsksKey,
  promptKey,
  SETTLEMENT_FROM_KEY,
  settlementKey,
  VERIFIERS_KEY,
  weightKey,
  wonKey,
} from '../ledger/keys.ts'
import type { StateDraft, StateReader } from '../ledger/state.ts'
import { decodingCoder, tokensCoder } from '../ledger/transactions.ts'
import {
  MAX_ASKS,
  MAX_BLOCK_TRANSACTIONS,
  MAX_CLEARED_JOBS,
  MAX_JOB_RANKS,
  MAX_MODELS,
  MAX_OPEN_JOBS,
  MAX_UNIT_TOKENS,
} from '../limits.ts'
import type { Decoding } from '../unit/types.ts'

/** A delivered answer, as far as the state keeps it. */
export interface Delivery {
  readonly rank: number
  /** Height of the block that contains the receipt. */
  readonly height: number
  /** Tokens really generated. */
  readonly newTokens: number
  readonly traceRoot: Uint8Array
}

/** A job from its posting to its settlement or return (ECO-4). */
export interface JobRecord {
  /** Account that pays and gets back, 20 bytes. */
  readonly client: Uint8Array
  readonly modelId: Uint8Array
  /** Number of prompt tokens; the tokens are an entry of their own. */
  readonly promptTokens: number
  readonly maxNewTokens: number
  readonly decoding: Decoding
  readonly maxPrice: bigint
  readonly expiryHeight: number
  /** Grains of the client that the job holds now. */
  readonly held: bigint
  /** Clearing price; 0 while the job is open. */
  readonly price: bigint
  /** Height of the block whose beacon opened the assignment; 0 before. */
  readonly openedHeight: number
  /** Grains that burned when the job was assigned. */
  readonly promptBurn: bigint
  /** Public keys of the assigned miners, rank 0 first; before, the one that the client named, if it names one. */
  readonly ranks: readonly Uint8Array[]
  readonly delivery: Delivery | undefined
}

/** A job that waits for clearing, in the order of arrival. */
export interface OpenJob {
  readonly jobId: Uint8Array
  readonly maxPrice: bigint
  /** MACs of the whole unit. */
  readonly macs: bigint
  /** Last height at which it can be cleared: all ranks have their windows before its expiry. */
  readonly lastClearing: number
}

/** A standing ask (ECO-7). */
export interface StandingAsk {
  readonly minerKey: Uint8Array
  readonly price: bigint
  readonly capacityMacs: bigint
}
export interface PendingAsk extends StandingAsk {
  readonly modelId: Uint8Array
}

/** What a model's market last did; prices are grains per 10^9 output MACs, 0 where there is none. */
export interface MarketRecord {
  readonly referencePrice: bigint
  /** The last clearing: its height, price, MACs of its jobs, and their number. */
  readonly clearedHeight: number
  readonly clearingPrice: bigint
  readonly volumeMacs: bigint
  readonly jobs: number
  /** The last call: lowest bid and highest ask that traded, or best bid and best ask where nothing did. */
  readonly bidPrice: bigint
  readonly askPrice: bigint
}

/** Work of a key's matured wins, fading; in MACs as of `height` (ECO-6). */
export interface Weight {
  readonly work: bigint
  readonly height: number
}
/** The win that counts once its coinbase has matured. */
export interface Won {
  readonly minerKey: Uint8Array
  /** Expected work of the block in MACs, at most 2^128 - 1. */
  readonly work: bigint
}

const idList = (name: string, most: number): Codec<readonly Uint8Array[]> =>
  defineCodec<readonly Uint8Array[]>(name, boundedReadonlyList(most, bytes32), 4 + 32 * most)
function listOf<T>(name: string, most: number, itemBytes: number, item: P.CoderType<T>): Codec<readonly T[]> {
  return defineCodec<readonly T[]>(name, boundedReadonlyList(most, item), 4 + itemBytes * most)
}

export const jobCodec: Codec<JobRecord> = defineCodec<JobRecord>(
  'job record',
  P.struct({
    client: fixedBytes(ADDRESS_BYTES),
    modelId: bytes32,
    promptTokens: u32,
    maxNewTokens: u32,
    decoding: decodingCoder,
    maxPrice: u64,
    expiryHeight: u32,
    held: u64,
    price: u64,
    openedHeight: u32,
    promptBurn: u64,
    ranks: boundedReadonlyList(MAX_JOB_RANKS, bytes32),
    delivery: optional<Delivery>(P.struct({ rank: u8, height: u32, newTokens: u32, traceRoot: bytes32 })),
  }) as unknown as P.CoderType<JobRecord>,
  ADDRESS_BYTES + 32 + 4 + 4 + 35 + 8 + 4 + 8 + 8 + 4 + 8 + 4 + 32 * MAX_JOB_RANKS + 4 + 41,
)
export const promptCodec: Codec<readonly number[]> = defineCodec('prompt', tokensCoder, 4 + 4 * MAX_UNIT_TOKENS)
export const openCodec: Codec<readonly OpenJob[]> = listOf<OpenJob>(
  'open jobs',
  MAX_OPEN_JOBS,
  52,
  P.struct({ jobId: bytes32, maxPrice: u64, macs: u64, lastClearing: u32 }),
)
export const asksCodec: Codec<readonly StandingAsk[]> = listOf<StandingAsk>(
  'asks',
  MAX_ASKS,
  48,
  P.struct({ minerKey: bytes32, price: u64, capacityMacs: u64 }),
)
export const pendingAsksCodec: Codec<readonly PendingAsk[]> = listOf<PendingAsk>(
  'pending asks',
  MAX_BLOCK_TRANSACTIONS,
  80,
  P.struct({ modelId: bytes32, minerKey: bytes32, price: u64, capacityMacs: u64 }),
)
export const marketCodec: Codec<MarketRecord> = defineCodec<MarketRecord>(
  'market',
  P.struct({
    referencePrice: u64,
    clearedHeight: u32,
    clearingPrice: u64,
    volumeMacs: u64,
    jobs: u32,
    bidPrice: u64,
    askPrice: u64,
  }),
  48,
)
/** Jobs of one block: at most MAX_CLEARED_JOBS of each model. */
export const clearedCodec: Codec<readonly Uint8Array[]> = idList('cleared jobs', MAX_MODELS * MAX_CLEARED_JOBS)
export const settlementCodec: Codec<readonly Uint8Array[]> = idList('delivered jobs', MAX_BLOCK_TRANSACTIONS)
export const weightCodec: Codec<Weight> = defineCodec<Weight>('weight', P.struct({ work: u128, height: u32 }), 20)
export const wonCodec: Codec<Won> = defineCodec<Won>('win', P.struct({ minerKey: bytes32, work: u128 }), 48)
export const blockIdCodec: Codec<Uint8Array> = defineCodec('block id', bytes32, 32)
/** A height or a number of verifiers. */
export const countCodec: Codec<number> = defineCodec('count', u32, 4)

const NO_MARKET: MarketRecord = {
  referencePrice: 0n,
  clearedHeight: 0,
  clearingPrice: 0n,
  volumeMacs: 0n,
  jobs: 0,
  bidPrice: 0n,
  askPrice: 0n,
}

/** A job that is neither settled nor returned. @param jobId 32 bytes. */
export const readJob = (reader: StateReader, jobId: Uint8Array): JobRecord | undefined =>
  readEntry(reader, jobKey(jobId), jobCodec)
/** The prompt of such a job; empty if there is none. */
export const readPrompt = (reader: StateReader, jobId: Uint8Array): readonly number[] =>
  readEntry(reader, promptKey(jobId), promptCodec) ?? []
/** Jobs of a model (hex) that wait for clearing, in the order of arrival. */
export const readOpenJobs = (reader: StateReader, modelId: string): readonly OpenJob[] =>
  readEntry(reader, openKey(modelId), openCodec) ?? []
/** Standing asks of a model (hex), in the order in which their miners came. */
export const readAsks = (reader: StateReader, modelId: string): readonly StandingAsk[] =>
  readEntry(reader, asksKey(modelId), asksCodec) ?? []
/** Asks that take effect at `height`. */
export const readPendingAsks = (reader: StateReader, height: number): readonly PendingAsk[] =>
  readEntry(reader, pendingAsksKey(height), pendingAsksCodec) ?? []
/** What a model's market (hex) last did; zeros before its first call. */
export const readMarket = (reader: StateReader, modelId: string): MarketRecord =>
  readEntry(reader, marketKey(modelId), marketCodec) ?? NO_MARKET
/** Jobs that the last block cleared. */
export const readCleared = (reader: StateReader): readonly Uint8Array[] =>
  readEntry(reader, CLEARED_KEY, clearedCodec) ?? []
/** Jobs whose assignment the beacon of the block at `height` opened, while any of their windows is open. */
export const readAssigned = (reader: StateReader, height: number): readonly Uint8Array[] =>
  readEntry(reader, assignedKey(height), clearedCodec) ?? []
/** Delivered jobs that settle at `height`. */
export const readSettlement = (reader: StateReader, height: number): readonly Uint8Array[] =>
  readEntry(reader, settlementKey(height), settlementCodec) ?? []
/** The first height with receipts that wait for a verifier, if any do. */
export const readSettlementFrom = (reader: StateReader): number | undefined =>
  readEntry(reader, SETTLEMENT_FROM_KEY, countCodec)
/** Number of active verifiers. */
export const readVerifiers = (reader: StateReader): number => readEntry(reader, VERIFIERS_KEY, countCodec) ?? 0
export const readWeight = (reader: StateReader, publicKey: Uint8Array): Weight | undefined =>
  readEntry(reader, weightKey(publicKey), weightCodec)
/** The win that counts from `height` on. */
export const readWon = (reader: StateReader, height: number): Won | undefined =>
  readEntry(reader, wonKey(height), wonCodec)
/** The id of a recent block of this branch; the last one is the parent of the block being applied. */
export const readBlockId = (reader: StateReader, height: number): Uint8Array | undefined =>
  readEntry(reader, blockIdKey(height), blockIdCodec)

export const writeJob = (draft: StateDraft, jobId: Uint8Array, job: JobRecord): void =>
  writeEntry(draft, jobKey(jobId), jobCodec, job)
export const writePrompt = (draft: StateDraft, jobId: Uint8Array, tokens: readonly number[]): void =>
  writeEntry(draft, promptKey(jobId), promptCodec, tokens)
/** The job is paid, or its money has gone back; its prompt stays for audits (AUD-4). */
export const deleteJobRecord = (draft: StateDraft, jobId: Uint8Array): void => draft.set(jobKey(jobId), undefined)
export const deletePrompt = (draft: StateDraft, jobId: Uint8Array): void => draft.set(promptKey(jobId), undefined)
/** The job is over: nothing of it stays. */
export function deleteJob(draft: StateDraft, jobId: Uint8Array): void {
  deleteJobRecord(draft, jobId)
  deletePrompt(draft, jobId)
}
export const writeOpenJobs = (draft: StateDraft, modelId: string, jobs: readonly OpenJob[]): void =>
  writeListEntry(draft, openKey(modelId), openCodec, jobs)
export const writeAsks = (draft: StateDraft, modelId: string, asks: readonly StandingAsk[]): void =>
  writeListEntry(draft, asksKey(modelId), asksCodec, asks)
export const writePendingAsks = (draft: StateDraft, height: number, asks: readonly PendingAsk[]): void =>
  writeListEntry(draft, pendingAsksKey(height), pendingAsksCodec, asks)
export const writeMarket = (draft: StateDraft, modelId: string, market: MarketRecord): void =>
  writeEntry(draft, marketKey(modelId), marketCodec, Object.values(market).some(Boolean) ? market : undefined)
export const writeCleared = (draft: StateDraft, jobIds: readonly Uint8Array[]): void =>
  writeListEntry(draft, CLEARED_KEY, clearedCodec, jobIds)
export const writeAssigned = (draft: StateDraft, height: number, jobIds: readonly Uint8Array[]): void =>
  writeListEntry(draft, assignedKey(height), clearedCodec, jobIds)
export const writeSettlement = (draft: StateDraft, height: number, jobIds: readonly Uint8Array[]): void =>
  writeListEntry(draft, settlementKey(height), settlementCodec, jobIds)
export const writeSettlementFrom = (draft: StateDraft, height: number | undefined): void =>
  writeEntry(draft, SETTLEMENT_FROM_KEY, countCodec, height)
export const writeVerifiers = (draft: StateDraft, count: number): void =>
  writeEntry(draft, VERIFIERS_KEY, countCodec, count === 0 ? undefined : count)
export const writeWeight = (draft: StateDraft, publicKey: Uint8Array, weight: Weight | undefined): void =>
  writeEntry(draft, weightKey(publicKey), weightCodec, weight === undefined || weight.work === 0n ? undefined : weight)
export const writeWon = (draft: StateDraft, height: number, won: Won | undefined): void =>
  writeEntry(draft, wonKey(height), wonCodec, won)
export const writeBlockId = (draft: StateDraft, height: number, id: Uint8Array | undefined): void =>
  writeEntry(draft, blockIdKey(height), blockIdCodec, id)
