/** From header and operands to the seeds of the noise (chapter 12). */
import { concatBytes, u32le, utf8ToBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { type KeyedHash, keyedHash } from '../hash.ts'
import { checkBytes, checkInteger } from './argument.ts'
import { plainHash } from './blake3.ts'

/** `v3` binds the dimensions to the seeds; `legacy` is the rule before, which does not. */
export const SEED_RULES = ['v3', 'legacy'] as const
export type SeedRule = (typeof SEED_RULES)[number]

/** Keys that bind an operand's root to its dimension, 32 bytes each. */
export const SALT_A: Uint8Array = plainHash(utf8ToBytes('pearl/cert-v3/noise-seed/A'))
export const SALT_B: Uint8Array = plainHash(utf8ToBytes('pearl/cert-v3/noise-seed/B'))

/** BLAKE3(header | configuration): the key of both operands' roots. Throws PEARL_ARGUMENT for other lengths than 76 and 52. */
export function jobKey(headerBytes: Uint8Array, configurationBytes: Uint8Array): Uint8Array {
  checkBytes('the header', headerBytes, 76)
  checkBytes('the configuration', configurationBytes, 52)
  return plainHash(concatBytes(headerBytes, configurationBytes))
}

/** Keyed BLAKE3 of root | dimension u32 | 28 zero bytes. @param salt {@link SALT_A} with m, {@link SALT_B} with n. */
export function bindRoot(
  salt: Uint8Array,
  root: Uint8Array,
  dimension: number,
  hash: KeyedHash = keyedHash,
): Uint8Array {
  checkBytes('a root', root, 32)
  checkInteger('a dimension', dimension, 0, 0xffffffff)
  return hash(salt, concatBytes(root, u32le(dimension), new Uint8Array(28)))
}

export interface NoiseSeedInput {
  /** 32 bytes; see {@link jobKey}. */
  readonly jobKey: Uint8Array
  /** Roots of A and of B transposed, 32 bytes. */
  readonly hashA: Uint8Array
  readonly hashB: Uint8Array
  /** Rows of A and columns of B, u32; the rule `legacy` ignores them. */
  readonly m: number
  readonly n: number
  /** Default `v3`. */
  readonly rule?: SeedRule
}

export interface NoiseSeeds {
  /** Seed of A's noise and key of the tickets, 32 bytes. */
  readonly seedA: Uint8Array
  /** Seed of B's noise, 32 bytes. It does not depend on A. */
  readonly seedB: Uint8Array
}

/**
 * seedB = BLAKE3(jobKey | boundB), seedA = BLAKE3(seedB | boundA). Under `legacy` the bound roots are the roots themselves.
 * Throws PEARL_ARGUMENT.
 */
export function noiseSeeds(input: NoiseSeedInput, hash?: KeyedHash): NoiseSeeds {
  const { jobKey: key, hashA, hashB, m, n, rule = 'v3' } = input
  check(SEED_RULES.includes(rule), 'PEARL_ARGUMENT', 'there is no such rule')
  checkBytes('the job key', key, 32)
  checkBytes('the root of A', hashA, 32)
  checkBytes('the root of B', hashB, 32)
  const isBound = rule === 'v3'
  const boundA = isBound ? bindRoot(SALT_A, hashA, m, hash) : hashA
  const boundB = isBound ? bindRoot(SALT_B, hashB, n, hash) : hashB
  const seedB = plainHash(concatBytes(key, boundB))
  return { seedA: plainHash(concatBytes(seedB, boundA)), seedB }
}
