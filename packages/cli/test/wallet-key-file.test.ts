/** The encrypted key file: what opens it, what does not, and what it may demand of whoever reads it. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, presets } from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  decryptKeys,
  encryptSeed,
  type KeyFile,
  parseKeyFile,
  readKeyFile,
  SCRYPT_COST,
  writeKeyFile,
} from '../src/wallet/key-file.ts'
import { networkOf } from '../src/wallet/network.ts'

const CHEAP = { n: 2, r: 1, p: 1 }
const PASSPHRASE = 'pässphrase'
const seed = Uint8Array.from({ length: 32 }, (_, i) => 3 * i)
const network = networkOf(presets.devnet)
let dir: string
let file: KeyFile
let path: string
let text: string
const at = (name: string): string => join(dir, name)
const warnings: string[] = []
const warn = (line: string): void => void warnings.push(line)

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'nacre-wallet-'))
  file = await encryptSeed(seed, PASSPHRASE, network, CHEAP)
  path = at('new/folder/wallet.json')
  await writeKeyFile(path, file)
  text = readFileSync(path, 'utf8')
})
afterAll(() => rmSync(dir, { recursive: true }))

/** The file with one field changed, as text. */
function changed(field: string, value: unknown): string {
  const json = JSON.parse(text) as Record<string, Record<string, unknown>>
  const [outer, inner] = field.split('.') as [string, string?]
  if (inner === undefined) (json as Record<string, unknown>)[outer] = value
  else json[outer]![inner] = value
  return JSON.stringify(json)
}

describe('written', () => {
  test('it is closed to others, complete, and alone in its folder', async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(at('new/folder')).mode & 0o777).toBe(0o700)
    expect(readdirSync(at('new/folder'))).toEqual(['wallet.json'])
    expect(await readKeyFile(path, warn)).toEqual(file)
    expect(warnings).toEqual([])
  })

  test('it does not contain the seed, and two files of one seed have nothing secret in common', async () => {
    expect(text).not.toContain(bytesToHex(seed))
    const other = await encryptSeed(seed, PASSPHRASE, network, CHEAP)
    expect(other.address).toBe(file.address)
    for (const name of ['salt', 'nonce', 'ciphertext', 'tag'] as const) expect(other[name]).not.toEqual(file[name])
  })

  test('it never overwrites: neither a file nor what a link points to', async () => {
    await expect(writeKeyFile(path, file)).rejects.toMatchObject({ code: 'EXISTS', exitCode: 1 })
    writeFileSync(at('precious'), 'precious')
    symlinkSync(at('precious'), at('link'))
    symlinkSync(at('nowhere'), at('dangling'))
    for (const name of ['precious', 'link', 'dangling'])
      await expect(writeKeyFile(at(name), file)).rejects.toMatchObject({ code: 'EXISTS' })
    expect(readFileSync(at('precious'), 'utf8')).toBe('precious')
    await expect(writeKeyFile(at('precious/wallet.json'), file)).rejects.toMatchObject({ code: 'FILE' })
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('the costs of a real one are those that a thief has to pay', async () => {
    expect(128 * SCRYPT_COST.n * SCRYPT_COST.r).toBe(128 * 1024 * 1024)
    const real = await encryptSeed(seed, PASSPHRASE, network)
    expect((await decryptKeys(real, PASSPHRASE, 'x')).secretKey).toEqual(seed)
  })
})

describe('opened', () => {
  test('by its passphrase, in whatever Unicode form it is typed', async () => {
    expect((await decryptKeys(file, PASSPHRASE, path)).secretKey).toEqual(seed)
    expect(PASSPHRASE.normalize('NFD')).not.toBe(PASSPHRASE)
    expect((await decryptKeys(file, PASSPHRASE.normalize('NFD'), path)).secretKey).toEqual(seed)
  })

  test.each(['', 'passphrase', `${PASSPHRASE} `, PASSPHRASE.toUpperCase()])('not by %j', async (wrong) => {
    await expect(decryptKeys(file, wrong, path)).rejects.toMatchObject({ code: 'LOCKED', exitCode: 1 })
  })

  const flipped = (hex: string): string => (hex.startsWith('0') ? '1' : '0') + hex.slice(1)
  test.each<[string, (old: string) => unknown]>([
    ['cipher.ciphertext', flipped],
    ['cipher.tag', flipped],
    ['cipher.nonce', flipped],
    ['kdf.salt', flipped],
    ['kdf.n', () => 4],
    ['network.chainId', flipped],
    ['network.name', () => 'nacre'],
  ])('not when %s was changed', async (field, change) => {
    const [outer, inner] = field.split('.') as [string, string]
    const tampered = parseKeyFile(path, changed(field, change(JSON.parse(text)[outer][inner])))
    await expect(decryptKeys(tampered, PASSPHRASE, path)).rejects.toMatchObject({ code: 'LOCKED' })
  })

  test('its readable address cannot be exchanged without its public key', async () => {
    const other = await encryptSeed(new Uint8Array(32).fill(9), PASSPHRASE, network, CHEAP)
    expect(() => parseKeyFile(path, changed('address', other.address))).toThrow(/its address is not that/)
    const json = { ...JSON.parse(changed('address', other.address)), publicKey: bytesToHex(other.publicKey) }
    const exchanged = parseKeyFile(path, JSON.stringify(json))
    await expect(decryptKeys(exchanged, PASSPHRASE, path)).rejects.toMatchObject({ code: 'LOCKED' })
  })
})

describe('refused before anything is computed', () => {
  test('cut off at any byte', () => {
    for (let length = 0; length < text.trimEnd().length; length++)
      expect(() => parseKeyFile(path, text.slice(0, length))).toThrow(
        expect.objectContaining({ code: 'WALLET_MALFORMED' }),
      )
  })

  test.each<[string, unknown]>([
    ['format', 'other'],
    ['version', 2],
    ['version', undefined],
    ['network', null],
    ['network.chainId', 'ab'],
    ['network.name', 'x'.repeat(65)],
    ['network.name', '\x1b[31m'],
    ['address', 7],
    ['publicKey', 'zz'.repeat(32)],
    ['kdf.name', 'none'],
    ['kdf.salt', ''],
    ['cipher.name', 'aes-256-ecb'],
    ['cipher.tag', 'ab'.repeat(4)], // a short tag would be easy to forge
    ['cipher.ciphertext', 'ab'.repeat(64)],
    ['kdf.n', 3],
    ['kdf.n', 0],
    ['kdf.n', -2],
    ['kdf.n', 1.5],
    ['kdf.n', '131072'],
    ['kdf.n', 2 ** 24], // 2 GiB with r = 1
    ['kdf.n', 2 ** 16], // scrypt itself refuses it with r = 1
    ['kdf.n', 2 ** 52],
    ['kdf.r', 2 ** 30],
    ['kdf.r', 0],
    ['kdf.p', 2 ** 30],
    ['kdf.p', 1e300],
  ])('%s = %j', (field, value) => {
    expect(() => parseKeyFile(path, changed(field, value))).toThrow(
      expect.objectContaining({ code: 'WALLET_MALFORMED', message: expect.stringMatching(/is no wallet: /) }),
    )
  })

  test.each(['null', '[]', '"x"', '{}', '7'])('%s', (json) => {
    expect(() => parseKeyFile(path, json)).toThrow(expect.objectContaining({ code: 'WALLET_MALFORMED' }))
  })

  test('a large file, a folder, a device, none at all', async () => {
    writeFileSync(at('large'), ' '.repeat(1_000_000))
    for (const [name, code] of [
      [at('large'), 'WALLET_MALFORMED'],
      [dir, 'WALLET_MALFORMED'],
      ['/dev/zero', 'WALLET_MALFORMED'],
      [at('none'), 'NO_WALLET'],
    ] as const)
      await expect(readKeyFile(name, warn)).rejects.toMatchObject({ code })
  })
})

test.skipIf(process.platform === 'win32')('a pipe that nobody writes to is refused at once', async () => {
  expect(spawnSync('mkfifo', [at('pipe')]).status).toBe(0)
  await expect(readKeyFile(at('pipe'), warn)).rejects.toMatchObject({ code: 'WALLET_MALFORMED' })
})

test('a file that others can read is used, with a warning', async () => {
  const open = at('open.json')
  writeFileSync(open, text)
  chmodSync(open, 0o644)
  warnings.length = 0
  expect(await readKeyFile(open, warn)).toEqual(file)
  expect(warnings).toEqual([`${open} is open to others (mode 644): chmod 600 closes it`])
})
