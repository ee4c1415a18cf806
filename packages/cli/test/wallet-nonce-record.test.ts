/** What a wallet remembers of what it signed, and what it therefore does not sign. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { JOB_TEXT, MAX_ENTRIES, NonceRecord, paymentText, type SignedState } from '../src/wallet/nonce-record.ts'
import { writeNewFile } from '../src/wallet/private-file.ts'

const dir = mkdtempSync(join(tmpdir(), 'nacre-nonces-'))
afterAll(() => rmSync(dir, { recursive: true }))
let wallet: string
let count = 0
beforeEach(() => {
  wallet = join(dir, `w${++count}.json`)
})
const CHAIN = 'c0'.repeat(32)
const [ONE, TWO, THREE] = ['01', '02', '03'].map((byte) => byte.repeat(32)) as [string, string, string]
const TO_Y = paymentText(5n, 'tncr1y')
const TO_Z = paymentText(5n, 'tncr1z')
const open = (): Promise<NonceRecord> => NonceRecord.open(wallet, CHAIN, 'tncr1x')
const NO = { replace: false, again: false }

async function signed(nonce: bigint, id: string, what: string, state: SignedState): Promise<void> {
  const record = await open()
  await record.add({ nonce, id, what })
  if (state !== 'unknown') await record.mark(id, state)
}

describe('the same nonce', () => {
  test.each<[SignedState, string, string | undefined]>([
    ['taken', TO_Z, 'NONCE_SIGNED'],
    ['unknown', TO_Z, 'NONCE_SIGNED'],
    // Nothing else is under way: of the two one is paid at most.
    ['refused', TO_Z, undefined],
    ['taken', TO_Y, undefined],
    ['unknown', TO_Y, undefined],
  ])('signed and %s: another payment (%s) is %s', async (state, what, code) => {
    await signed(3n, ONE, TO_Y, state)
    const record = await open()
    const check = (choice = NO): void => record.check({ nonce: 3n, id: TWO, what }, choice)
    if (code === undefined) return check()
    expect(check).toThrow(expect.objectContaining({ code, exitCode: 1, message: expect.stringContaining(ONE) }))
    check({ ...NO, replace: true })
    record.check({ nonce: 4n, id: TWO, what }, NO)
  })

  test('two jobs are never the same', async () => {
    await signed(3n, ONE, JOB_TEXT, 'taken')
    const record = await open()
    expect(() => record.check({ nonce: 3n, id: TWO, what: JOB_TEXT }, NO)).toThrow(
      expect.objectContaining({ code: 'NONCE_SIGNED' }),
    )
    record.check({ nonce: 3n, id: ONE, what: JOB_TEXT }, NO)
  })
})

describe('the same payment with a later nonce', () => {
  test.each<[SignedState, string | undefined]>([
    ['refused', 'MAYBE_PAID'],
    ['unknown', 'MAYBE_PAID'],
    ['taken', undefined],
  ])('after one that was %s: %s', async (state, code) => {
    await signed(3n, ONE, TO_Y, state)
    const record = await open()
    const check = (choice = NO): void => record.check({ nonce: 4n, id: TWO, what: TO_Y }, choice)
    if (code === undefined) return check()
    expect(check).toThrow(expect.objectContaining({ code, message: expect.stringContaining('--again') }))
    check({ ...NO, again: true })
    record.check({ nonce: 4n, id: THREE, what: TO_Z }, NO)
  })
})

describe('the file', () => {
  test('is closed to others, whole, and alone beside the wallet', async () => {
    await signed(0n, ONE, TO_Y, 'taken')
    expect(statSync(`${wallet}.nonces`).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([])
    expect(JSON.parse(readFileSync(`${wallet}.nonces`, 'utf8'))).toEqual({
      ...{ format: 'nacre-wallet-nonces', version: 1, chainId: CHAIN, address: 'tncr1x' },
      entries: [{ nonce: '0', id: ONE, what: TO_Y, state: 'taken' }],
    })
  })

  test('keeps a bounded number, the newest', async () => {
    const record = await open()
    const id = (i: number): string => i.toString(16).padStart(64, '0')
    for (let i = 0; i <= MAX_ENTRIES; i++) await record.add({ nonce: BigInt(i), id: id(i), what: TO_Y })
    const { entries } = JSON.parse(readFileSync(`${wallet}.nonces`, 'utf8'))
    expect(entries).toHaveLength(MAX_ENTRIES)
    expect([entries[0].id, entries.at(-1).id]).toEqual([id(1), id(MAX_ENTRIES)])
    await open()
  })

  test('of another key or chain says nothing', async () => {
    await signed(3n, ONE, TO_Y, 'taken')
    const others = [NonceRecord.open(wallet, 'c1'.repeat(32), 'tncr1x'), NonceRecord.open(wallet, CHAIN, 'tncr1q')]
    for (const record of await Promise.all(others)) record.check({ nonce: 3n, id: TWO, what: TO_Z }, NO)
  })

  test.each<[string, string]>([
    ['no JSON', '{'],
    ['null', 'null'],
    ['another format', '{"format":"x"}'],
    ['broken entries', 'entries'],
    ['a large one', ' '.repeat(300_000)],
  ])('that is broken is refused, not overwritten: %s', async (_what, text) => {
    const broken = { format: 'nacre-wallet-nonces', version: 1, chainId: CHAIN, address: 'tncr1x', entries: [7] }
    const content = text === 'entries' ? JSON.stringify(broken) : text
    writeFileSync(`${wallet}.nonces`, content)
    await expect(open()).rejects.toMatchObject({ code: 'RECORD_MALFORMED', exitCode: 1 })
    expect(readFileSync(`${wallet}.nonces`, 'utf8')).toBe(content)
  })

  test('that cannot be written keeps a payment from being signed', async () => {
    writeFileSync(join(dir, 'file'), '')
    wallet = join(dir, 'file/w.json')
    await expect(open()).rejects.toMatchObject({ code: 'FILE' })
  })
})

describe('a new file without hard links', () => {
  const without = (code: string) => ({
    link: async () => {
      throw Object.assign(new Error(code), { code })
    },
  })

  test.each(['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP'])(
    '%s: it is written all the same, 0600, alone',
    async (code) => {
      const path = join(dir, `new-${code}`, 'file')
      expect(await writeNewFile(path, 'text', without(code))).toBe(true)
      expect(readFileSync(path, 'utf8')).toBe('text')
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(readdirSync(join(dir, `new-${code}`))).toEqual(['file'])
    },
  )

  test('never over another file', async () => {
    writeFileSync(join(dir, 'precious'), 'precious')
    expect(await writeNewFile(join(dir, 'precious'), 'text', without('EPERM'))).toBe(false)
    expect(readFileSync(join(dir, 'precious'), 'utf8')).toBe('precious')
  })

  test('another fault is told, and leaves nothing', async () => {
    const path = join(dir, 'gone')
    await expect(writeNewFile(path, 'text', without('EIO'))).rejects.toMatchObject({ code: 'FILE' })
    expect(existsSync(path)).toBe(false)
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([])
  })
})
