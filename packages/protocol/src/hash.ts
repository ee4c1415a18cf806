import { blake3 } from '@noble/hashes/blake3.js'
import { concatBytes, utf8ToBytes } from './bytes.ts'

/** Every use of the hash and its domain tag (CNV-2). */
export const HASH_TAGS = {
  address: 'nacre/1/address',
  params: 'nacre/1/params',
  chainId: 'nacre/1/chain-id',
  merkleLeaf: 'nacre/1/merkle-leaf',
  merkleNode: 'nacre/1/merkle-node',
  merkleRoot: 'nacre/1/merkle-root',
  ltHashElement: 'nacre/1/lthash-element',
  stateRoot: 'nacre/1/state-root',
  modelId: 'nacre/1/model',
  tokenizer: 'nacre/1/tokenizer',
  syntheticModel: 'nacre/1/synthetic-model',
  unitId: 'nacre/1/unit',
  bootstrapPrompt: 'nacre/1/bootstrap-prompt',
  sampling: 'nacre/1/sampling',
  stepSampling: 'nacre/1/step-sampling',
  noiseWeights: 'nacre/1/noise/weights',
  noiseOperand: 'nacre/1/noise/operand',
  ticketKey: 'nacre/1/ticket-key',
  ticketProof: 'nacre/1/ticket-proof',
  block: 'nacre/1/block',
  body: 'nacre/1/body',
  beacon: 'nacre/1/beacon',
  transaction: 'nacre/1/transaction',
  assignment: 'nacre/1/assignment',
  signature: 'nacre/1/signature',
  accusation: 'nacre/1/accusation',
  answer: 'nacre/1/answer',
  verifierSecret: 'nacre/1/verifier-secret',
  auditSelection: 'nacre/1/audit-selection',
  auditSteps: 'nacre/1/audit-steps',
  transcript: 'nacre/1/transcript',
  delivery: 'nacre/1/delivery',
  plantSecret: 'nacre/1/plant-secret',
  plantDraw: 'nacre/1/plant-draw',
  freivalds: 'nacre/1/freivalds',
  minerClaim: 'nacre/1/miner-claim',
} as const

export type HashTag = keyof typeof HASH_TAGS

/** A 32-byte hash with a 32-byte key. Engines may pass a faster one; it must equal {@link keyedHash}. */
export type KeyedHash = (key: Uint8Array, data: Uint8Array) => Uint8Array

/** BLAKE3 in keyed mode, 32 bytes (the reference, from @noble/hashes). */
export const keyedHash: KeyedHash = (key, data) => blake3(data, { key })

const TAG_KEYS = Object.fromEntries(
  Object.entries(HASH_TAGS).map(([name, tag]) => [name, blake3(utf8ToBytes(tag))]),
) as Record<HashTag, Uint8Array>

/** The key of a domain tag: BLAKE3 of its text. */
export function tagKey(tag: HashTag): Uint8Array {
  return TAG_KEYS[tag]
}

/**
 * The hash of the protocol (CNV-2): BLAKE3 keyed by the domain tag over the concatenated parts.
 * Callers pass parts of fixed length, or at most one of variable length in last place, so that no two inputs collide.
 */
export function taggedHash(tag: HashTag, ...parts: Uint8Array[]): Uint8Array {
  return keyedHash(TAG_KEYS[tag], parts.length === 1 ? parts[0]! : concatBytes(...parts))
}

/** Like {@link taggedHash} with `lengthBytes` of output (BLAKE3's extendable output). */
export function taggedXof(tag: HashTag, lengthBytes: number, ...parts: Uint8Array[]): Uint8Array {
  return blake3(concatBytes(...parts), { key: TAG_KEYS[tag], dkLen: lengthBytes })
}
