/** Transactions (ECO-1): a common envelope around a payload with a stable tag. Exact bytes: docs/spec/10-ledger.md. */
import * as P from 'micro-packed'
import { AUDIT_PAYLOADS, type AuditBody } from '../audit/payloads.ts'
import {
  bool,
  boundedBytes,
  boundedReadonlyList,
  bytes32,
  bytes64,
  type Codec,
  defineCodec,
  fixedBytes,
  u8,
  u16,
  u32,
  u64,
  withTrailing,
} from '../codec.ts'
import { check, ProtocolError } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import { ADDRESS_BYTES, type KeyPair, signHash, verifyHash } from '../keys.ts'
import { MAX_HEADER_BYTES, MAX_TRANSACTION_BYTES, MAX_UNIT_TOKENS } from '../limits.ts'
import type { Decoding } from '../unit/types.ts'
import { roleCoder } from './entries.ts'
import type { Role } from './keys.ts'

export const TRANSACTION_VERSION = 1

/** Every kind of transaction and its tag. Tags never change; kinds without a codec below are refused. */
export const TRANSACTION_TAGS = {
  transfer: 1,
  job: 2,
  minerRegister: 3,
  verifierRegister: 4,
  receipt: 5,
  challenge: 6,
  response: 7,
  fraudProof: 8,
  equivocation: 9,
  verifierCommit: 10,
  verifierReveal: 11,
  verdict: 12,
  plantCommit: 13,
  plantReveal: 14,
  unbond: 15,
  winnerFailure: 16,
  ask: 17,
  accusation: 18,
  verdictProof: 19,
} as const

/** Largest encoded header inside an equivocation proof. */
export const MAX_EVIDENCE_BYTES: number = MAX_HEADER_BYTES
/** Bytes of the envelope without its payload: version, chain id, kind, sender, nonce, fee, payload length, signature. */
const ENVELOPE_BYTES = 1 + 32 + 1 + 32 + 8 + 8 + 4 + 64
const SIGNATURE_BYTES = 64
/** The tag stands after version and chain id. */
const KIND_OFFSET = 1 + 32

/** Moves matured grains to an account of 20 bytes. */
export interface Transfer {
  readonly kind: 'transfer'
  readonly to: Uint8Array
  readonly grains: bigint
}
/** Locks the sender's bond as a miner. */
export interface MinerRegister {
  readonly kind: 'minerRegister'
}
/** Locks the sender's bond as a verifier. */
export interface VerifierRegister {
  readonly kind: 'verifierRegister'
}
/** Ends the sender's registration; its bond returns after `bonds.unbondingBlocks`. */
export interface Unbond {
  readonly kind: 'unbond'
  readonly role: Role
}
/** Two encoded headers that contradict each other (BLK-3). */
export interface Equivocation {
  readonly kind: 'equivocation'
  readonly evidenceA: Uint8Array
  readonly evidenceB: Uint8Array
}
/** Asks for one execution of a model (JOB-1); the sender's escrow is what it may cost at most. */
export interface Job {
  readonly kind: 'job'
  /** 32 bytes. */
  readonly modelId: Uint8Array
  readonly promptTokens: readonly number[]
  readonly maxNewTokens: number
  readonly decoding: Decoding
  /** Most grains for 10^9 output MACs (JOB-2). */
  readonly maxPrice: bigint
  /** By this height it has been delivered by some rank, or the fee returns. */
  readonly expiryHeight: number
  /** Public key of the miner that gets the job: exactly where `bindings.provenance` is `client-signed`. */
  readonly minerKey?: Uint8Array | undefined
}
/** What a registered miner demands for jobs of a model; takes effect after `jobs.askDelayBlocks` (ECO-7). */
export interface Ask {
  readonly kind: 'ask'
  readonly modelId: Uint8Array
  /** Grains for 10^9 output MACs. */
  readonly price: bigint
  /** MACs per block that the miner can execute; 0 withdraws the ask. */
  readonly capacityMacs: bigint
}
/** The miner of an assigned job delivers it (UNT-1, ECO-4). */
export interface Receipt {
  readonly kind: 'receipt'
  /** Id of the job's transaction. */
  readonly jobId: Uint8Array
  /** The block whose beacon opened the assignment: the parent that the unit id commits to. */
  readonly unitParentId: Uint8Array
  readonly traceRoot: Uint8Array
  /** All generated tokens. */
  readonly tokens: readonly number[]
}
export type TransactionBody =
  | Transfer
  | Job
  | MinerRegister
  | VerifierRegister
  | Receipt
  | Equivocation
  | Unbond
  | Ask
  | AuditBody
export type TransactionKind = TransactionBody['kind']

export interface UnsignedTransaction {
  /** Chain that it is meant for, 32 bytes. */
  readonly chainId: Uint8Array
  /** Public key of the sender, 32 bytes. */
  readonly sender: Uint8Array
  /** Transactions that the sender's account sent before this one. */
  readonly nonce: bigint
  /** Grains for the miner of the block. */
  readonly fee: bigint
  readonly body: TransactionBody
}
export interface Transaction extends UnsignedTransaction {
  /** The sender's signature of the transaction id, 64 bytes. */
  readonly signature: Uint8Array
}

type Payload<K extends TransactionKind> = Omit<Extract<TransactionBody, { kind: K }>, 'kind'>
type PayloadCodecs = { readonly [K in TransactionKind]: Codec<Payload<K>> }

/** temperature u16, seed 32, whether end of sequence stops u8: 35 bytes. */
export const decodingCoder: P.CoderType<Decoding> = P.struct({ temperatureMilli: u16, seed: bytes32, stopAtEos: bool })
/** At most MAX_UNIT_TOKENS tokens. */
export const tokensCoder: P.CoderType<readonly number[]> = boundedReadonlyList(MAX_UNIT_TOKENS, u32)
const TOKENS_BYTES = 4 + 4 * MAX_UNIT_TOKENS

const nothing = (name: string): Codec<Record<never, never>> => defineCodec(name, P.struct({}), 0)
const PAYLOADS: PayloadCodecs = {
  transfer: defineCodec('transfer', P.struct({ to: fixedBytes(ADDRESS_BYTES), grains: u64 }), ADDRESS_BYTES + 8),
  minerRegister: nothing('miner registration'),
  verifierRegister: nothing('verifier registration'),
  unbond: defineCodec('unbond', P.struct({ role: roleCoder }), 1),
  equivocation: defineCodec(
    'equivocation',
    P.struct({ evidenceA: boundedBytes(MAX_EVIDENCE_BYTES), evidenceB: boundedBytes(MAX_EVIDENCE_BYTES) }),
    2 * (4 + MAX_EVIDENCE_BYTES),
  ),
  job: defineCodec<Payload<'job'>>(
    'job',
    withTrailing(
      P.struct({
        modelId: bytes32,
        promptTokens: tokensCoder,
        maxNewTokens: u32,
        decoding: decodingCoder,
        maxPrice: u64,
        expiryHeight: u32,
      }),
      'minerKey',
      bytes32,
    ),
    32 + TOKENS_BYTES + 4 + 35 + 8 + 4 + 32,
  ),
  receipt: defineCodec<Payload<'receipt'>>(
    'receipt',
    P.struct({ jobId: bytes32, unitParentId: bytes32, traceRoot: bytes32, tokens: tokensCoder }),
    3 * 32 + TOKENS_BYTES,
  ),
  ask: defineCodec('ask', P.struct({ modelId: bytes32, price: u64, capacityMacs: u64 }), 48),
  ...AUDIT_PAYLOADS,
}
const KIND_OF_TAG: ReadonlyMap<number, TransactionKind> = new Map(
  (Object.keys(PAYLOADS) as TransactionKind[]).map((kind) => [TRANSACTION_TAGS[kind], kind]),
)

const envelope = defineCodec(
  'transaction',
  P.struct({
    version: u8,
    chainId: bytes32,
    kind: u8,
    sender: bytes32,
    nonce: u64,
    fee: u64,
    payload: boundedBytes(MAX_TRANSACTION_BYTES - ENVELOPE_BYTES),
    signature: bytes64,
  }),
  MAX_TRANSACTION_BYTES,
)

/** Canonical bytes. Throws CODEC_* for a field outside its bounds. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const { body, chainId, sender, nonce, fee, signature } = transaction
  return envelope.encode({
    version: TRANSACTION_VERSION,
    chainId,
    kind: TRANSACTION_TAGS[body.kind],
    sender,
    nonce,
    fee,
    payload: (PAYLOADS[body.kind] as Codec<object>).encode(body),
    signature,
  })
}

/**
 * The transaction in `bytes`; its signature is not checked. Throws CODEC_*, and TX_KIND_UNSUPPORTED for an unknown
 * version and for unknown or reserved tags.
 */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  const { version, chainId, kind: tag, sender, nonce, fee, payload, signature } = envelope.decode(bytes)
  check(version === TRANSACTION_VERSION, 'TX_KIND_UNSUPPORTED', `transactions have version 1, not ${version}`)
  const kind = KIND_OF_TAG.get(tag)
  if (kind === undefined) throw new ProtocolError('TX_KIND_UNSUPPORTED', `no transaction with tag ${tag} is supported`)
  const body = { kind, ...(PAYLOADS[kind] as Codec<object>).decode(payload) } as TransactionBody
  return { chainId, sender, nonce, fee, body, signature }
}

/** The id: the tagged hash of the bytes without the signature. */
export function transactionId(transaction: UnsignedTransaction): Uint8Array {
  return transactionIdOfBytes(encodeTransaction({ ...transaction, signature: new Uint8Array(SIGNATURE_BYTES) }))
}

/** The id of canonical bytes, without decoding them. */
export function transactionIdOfBytes(bytes: Uint8Array): Uint8Array {
  return taggedHash('transaction', bytes.subarray(0, Math.max(0, bytes.length - SIGNATURE_BYTES)))
}

/** Whether canonical bytes are a transaction of `kind`, without decoding them. */
export function isTransactionOfKind(bytes: Uint8Array, kind: TransactionKind): boolean {
  return bytes[KIND_OFFSET] === TRANSACTION_TAGS[kind]
}

/** Signs a transaction as the owner of `keys`. Throws CODEC_* for a field outside its bounds. */
export function signTransaction(unsigned: Omit<UnsignedTransaction, 'sender'>, keys: KeyPair): Transaction {
  const transaction: UnsignedTransaction = { ...unsigned, sender: keys.publicKey }
  return { ...transaction, signature: signHash(transactionId(transaction), keys) }
}

/** True if the sender signed it. Never throws for a decoded transaction. */
export function hasValidTransactionSignature(transaction: Transaction): boolean {
  return verifyHash(transactionId(transaction), transaction.signature, transaction.sender)
}
