/**
 * Keys, signatures and addresses (CNV-3, CNV-5). Ed25519 under ZIP-215, the rule that gives the same answer for single
 * and batched verification everywhere; identifiers never cover signatures, so a re-encoded signature changes nothing.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { bech32m } from '@scure/base'
import { bytesToHex, concatBytes } from './bytes.ts'
import { check, ProtocolError } from './errors.ts'
import { taggedHash } from './hash.ts'
import { MAX_KEPT_SIGNATURES } from './limits.ts'

export const ADDRESS_BYTES = 20

/** An Ed25519 key pair; `secretKey` is the 32-byte seed. */
export interface KeyPair {
  readonly publicKey: Uint8Array
  readonly secretKey: Uint8Array
}

/** The key pair of a 32-byte seed. */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  check(seed.length === 32, 'KEY_INVALID', `a seed has 32 bytes, not ${seed.length}`)
  return { publicKey: ed25519.getPublicKey(seed), secretKey: seed.slice() }
}

/** Signs the hash of an object (a block or transaction id): 64 bytes. */
export function signHash(objectHash: Uint8Array, keys: KeyPair): Uint8Array {
  return ed25519.sign(taggedHash('signature', objectHash), keys.secretKey)
}

/**
 * Signatures that were right, the latest ones: a transaction is checked when it arrives and again in its block, and a check costs milliseconds.
 * What is kept is the answer of a pure function, so it changes no result; wrong signatures leave nothing behind.
 */
const verified = new Set<string>()

/** True if `signature` is `publicKey`'s over `objectHash`. Never throws. */
export function verifyHash(objectHash: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false
  const name = bytesToHex(concatBytes(signature, publicKey, objectHash))
  if (verified.has(name)) return true
  try {
    if (!ed25519.verify(signature, taggedHash('signature', objectHash), publicKey, { zip215: true })) return false
  } catch {
    return false
  }
  verified.add(name)
  if (verified.size > MAX_KEPT_SIGNATURES) verified.delete(verified.values().next().value!)
  return true
}

/** The 20-byte account id of a public key. */
export function accountOf(publicKey: Uint8Array): Uint8Array {
  return taggedHash('address', publicKey).slice(0, ADDRESS_BYTES)
}

/** An account id as text: bech32m with prefix `ncr` or `tncr`. */
export function encodeAddress(account: Uint8Array, prefix: string): string {
  return bech32m.encode(prefix, bech32m.toWords(account))
}

/** The account id of an address. Throws ADDRESS_INVALID for a wrong prefix, checksum or length. */
export function decodeAddress(address: string, prefix: string): Uint8Array {
  let account: Uint8Array
  try {
    const decoded = bech32m.decode(address as `${string}1${string}`)
    check(decoded.prefix === prefix, 'ADDRESS_INVALID', `the prefix is ${decoded.prefix}, this network uses ${prefix}`)
    account = bech32m.fromWords(decoded.words)
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause
    throw new ProtocolError('ADDRESS_INVALID', cause instanceof Error ? cause.message : 'not bech32m', { cause })
  }
  check(account.length === ADDRESS_BYTES, 'ADDRESS_INVALID', `${account.length} bytes instead of ${ADDRESS_BYTES}`)
  return account
}
