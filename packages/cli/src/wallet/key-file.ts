/**
 * The wallet's key file: one Ed25519 seed, encrypted with AES-256-GCM under a key that scrypt makes from the passphrase. Everything else in
 * the file is readable, and authenticated together with the seed. Format: packages/cli/README.md.
 */
import { createCipheriv, createDecipheriv, randomBytes, type ScryptOptions, scrypt } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, equalBytes, hexToBytes, type KeyPair, keyPairFromSeed } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { addressOf, type WalletNetwork } from './network.ts'
import { readSmallFile, writeNewFile } from './private-file.ts'

const FORMAT = 'nacre-wallet'
const VERSION = 1
const SALT_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const SEED_BYTES = 32
/** A key file has about 800 bytes. */
const MAX_FILE_BYTES = 16 * 1024

/** Costs of scrypt: 128 n r bytes of memory, passed through p times. */
export interface ScryptCost {
  readonly n: number
  readonly r: number
  readonly p: number
}
/** 128 MiB and about half a second: what a guess costs. */
export const SCRYPT_COST: ScryptCost = { n: 2 ** 17, r: 8, p: 1 }
/** The most that a file can demand: 512 MiB and some seconds. */
const MAX_SCRYPT_BYTES = 512 * 1024 * 1024
const MAX_SCRYPT_WORK = 4 * MAX_SCRYPT_BYTES

export interface KeyFile {
  readonly network: WalletNetwork
  readonly address: string
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly cost: ScryptCost
  readonly salt: Uint8Array
  readonly nonce: Uint8Array
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

/** Encrypts a 32-byte seed. The passphrase is Unicode text in any form. */
export async function encryptSeed(
  seed: Uint8Array,
  passphrase: string,
  network: WalletNetwork,
  cost: ScryptCost = SCRYPT_COST,
): Promise<KeyFile> {
  const { publicKey } = keyPairFromSeed(seed)
  const salt = new Uint8Array(randomBytes(SALT_BYTES))
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES))
  const head = { network, address: addressOf(network, publicKey), publicKey, cost, salt, nonce }
  const cipher = createCipheriv('aes-256-gcm', await derivedKey(passphrase, salt, cost), nonce)
  cipher.setAAD(authenticated(head))
  const ciphertext = new Uint8Array(Buffer.concat([cipher.update(seed), cipher.final()]))
  return { ...head, ciphertext, tag: new Uint8Array(cipher.getAuthTag()) }
}

/** The keys in a file. Throws CliError LOCKED for a wrong passphrase or a file that somebody changed: nobody can tell them apart. */
export async function decryptKeys(file: KeyFile, passphrase: string, path: string): Promise<KeyPair> {
  const key = await derivedKey(passphrase, file.salt, file.cost)
  let seed: Uint8Array
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, file.nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(authenticated(file))
    decipher.setAuthTag(file.tag)
    seed = new Uint8Array(Buffer.concat([decipher.update(file.ciphertext), decipher.final()]))
  } catch {
    throw new CliError(`${path} stays locked: the passphrase is wrong, or the file was changed`, 1, 'LOCKED')
  }
  const keys = keyPairFromSeed(seed)
  if (!equalBytes(keys.publicKey, file.publicKey)) throw malformed(path, 'its public key is not that of its seed')
  return keys
}

function derivedKey(passphrase: string, salt: Uint8Array, { n, r, p }: ScryptCost): Promise<Buffer> {
  // OpenSSL counts some KiB besides the 128 n r bytes.
  const options: ScryptOptions = { N: n, r, p, maxmem: 2 * 128 * n * r + 128 * r * p + 65_536 }
  return new Promise((resolve, reject) => {
    // The same letters in another Unicode form are the same passphrase.
    scrypt(passphrase.normalize('NFKC'), salt, 32, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

type Head = Omit<KeyFile, 'ciphertext' | 'tag'>

const headJson = ({ network, address, publicKey, cost, salt, nonce }: Head) => ({
  format: FORMAT,
  version: VERSION,
  network: { name: network.name, chainId: network.chainId, addressPrefix: network.addressPrefix },
  address,
  publicKey: bytesToHex(publicKey),
  kdf: { name: 'scrypt', n: cost.n, r: cost.r, p: cost.p, salt: bytesToHex(salt) },
  cipher: { name: 'aes-256-gcm', nonce: bytesToHex(nonce) },
})

/** All of the file but the ciphertext and its tag, as JSON without white space. */
const authenticated = (head: Head): Uint8Array => new TextEncoder().encode(JSON.stringify(headJson(head)))

/**
 * Writes a new key file, mode 0600: complete or not at all, and never over another file. Missing folders are made, closed to others.
 * Throws CliError EXISTS.
 */
export async function writeKeyFile(path: string, file: KeyFile): Promise<void> {
  const head = headJson(file)
  const cipher = { ...head.cipher, ciphertext: bytesToHex(file.ciphertext), tag: bytesToHex(file.tag) }
  const text = `${JSON.stringify({ ...head, cipher }, undefined, 2)}\n`
  if (!(await writeNewFile(path, text))) throw existsError(path)
}

/** Where a wallet is that has no other name. */
export const defaultWalletPath = (): string => join(homedir(), '.nacre', 'wallet.json')

export const existsError = (path: string): CliError =>
  new CliError(`${path} is there already, and a wallet is never overwritten: --wallet FILE names another`, 1, 'EXISTS')

/**
 * Reads a key file without unlocking it. `warn` hears of a file that others can read.
 * Throws CliError NO_WALLET, WALLET_MALFORMED.
 */
export async function readKeyFile(path: string, warn: (text: string) => void): Promise<KeyFile> {
  const found = await readSmallFile(path, MAX_FILE_BYTES, (why) => {
    throw malformed(path, why)
  })
  if (found === undefined) throw new CliError(`there is no wallet ${path}: "wallet create" makes one`, 1, 'NO_WALLET')
  const { text, mode } = found
  const file = parseKeyFile(path, text)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    warn(`${path} is open to others (mode ${mode.toString(8)}): chmod 600 closes it`)
  return file
}

const malformed = (path: string, why: string): CliError =>
  new CliError(`${path} is no wallet: ${why}`, 1, 'WALLET_MALFORMED')

/** Checks every field before anything is computed from it. */
export function parseKeyFile(path: string, text: string): KeyFile {
  const refuse = (why: string): never => {
    throw malformed(path, why)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    refuse('it is not JSON')
  }
  const objectOf = (value: unknown, name: string): Record<string, unknown> =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : refuse(`${name} is no object`)
  const file = objectOf(json, 'its content')
  if (file.format !== FORMAT) refuse(`its format is not "${FORMAT}"`)
  if (file.version !== VERSION) refuse(`version ${JSON.stringify(file.version)?.slice(0, 20)} is not supported`)
  const network = objectOf(file.network, 'network')
  const kdf = objectOf(file.kdf, 'kdf')
  const cipher = objectOf(file.cipher, 'cipher')
  const hex = (value: unknown, name: string, bytes: number): Uint8Array =>
    typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value)
      ? hexToBytes(value)
      : refuse(`${name} is not ${bytes} bytes in hex`)
  const word = (value: unknown, name: string): string =>
    typeof value === 'string' && /^[\x21-\x7e]{1,64}$/.test(value) ? value : refuse(`${name} is no name`)
  if (kdf.name !== 'scrypt') refuse('its key derivation is not scrypt')
  if (cipher.name !== 'aes-256-gcm') refuse('its cipher is not aes-256-gcm')
  const result: KeyFile = {
    network: {
      name: word(network.name, 'network.name'),
      chainId: bytesToHex(hex(network.chainId, 'network.chainId', 32)),
      addressPrefix: word(network.addressPrefix, 'network.addressPrefix'),
    },
    address: word(file.address, 'address'),
    publicKey: hex(file.publicKey, 'publicKey', 32),
    cost: costOf(kdf, refuse),
    salt: hex(kdf.salt, 'kdf.salt', SALT_BYTES),
    nonce: hex(cipher.nonce, 'cipher.nonce', NONCE_BYTES),
    ciphertext: hex(cipher.ciphertext, 'cipher.ciphertext', SEED_BYTES),
    tag: hex(cipher.tag, 'cipher.tag', TAG_BYTES),
  }
  if (addressOf(result.network, result.publicKey) !== result.address)
    refuse('its address is not that of its public key')
  return result
}

/** A file must not be able to demand gigabytes or hours. */
function costOf(kdf: Record<string, unknown>, refuse: (why: string) => never): ScryptCost {
  const whole = (name: 'n' | 'r' | 'p'): number => {
    const value = kdf[name]
    return Number.isSafeInteger(value) && Number(value) >= 1 ? Number(value) : refuse(`kdf.${name} is no whole number`)
  }
  const [n, r, p] = [whole('n'), whole('r'), whole('p')]
  if (n < 2 || !Number.isInteger(Math.log2(n))) refuse('kdf.n is no power of two')
  // RFC 7914, section 2.
  if (Math.log2(n) >= 16 * r) refuse('kdf.n is too large for its kdf.r')
  const bytes = 128 * n * r
  if (bytes > MAX_SCRYPT_BYTES || bytes * p > MAX_SCRYPT_WORK || 128 * r * p > MAX_SCRYPT_BYTES)
    refuse(`its scrypt would need ${bytes} bytes of memory, ${p} times, which is more than any wallet`)
  return { n, r, p }
}
