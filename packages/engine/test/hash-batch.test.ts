/** Many messages at once against the reference, for each implementation. */
import { readFileSync } from 'node:fs'
import { concatBytes, keyedHash } from '@nacre/protocol'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { assembleBlake3, blake3Module } from '../scripts/assemble-blake3.ts'
import { type BatchHash, batchOf, createFastHash, HASH_IMPLEMENTATIONS, hashSelfTest } from '../src/index.ts'
import { createRandom } from './support/random.ts'

const CASES = 400

test('the binary is what the text assembles to', async () => {
  const expected = blake3Module(await assembleBlake3())
  expect(readFileSync(new URL('../src/hashing/binary.ts', import.meta.url), 'utf8')).toBe(expected)
})

describe.each(HASH_IMPLEMENTATIONS)('%s', (implementation) => {
  test(`equals the reference for ${CASES} random batches`, async () => {
    const hash = await createFastHash(implementation)
    expect(hash.implementation).toBe(implementation)
    const random = createRandom(2)
    for (let i = 0; i < CASES; i++) {
      const length = random.pick([0, 36, 64, 72, 80, 768, 1024, random.below(300), random.below(5000)])
      const count = random.below(length > 300 ? 12 : 40)
      const key = random.bytes(32)
      // Views at odd addresses, for input and output.
      const from = random.below(4)
      const input = random.bytes(count * length + 8).subarray(from, from + count * length)
      const room = new Uint8Array(count * 32 + 8)
      const out = room.subarray(from, from + count * 32)
      const messages = Array.from({ length: count }, (_, j) => input.subarray(j * length, (j + 1) * length))
      const expected = concatBytes(...messages.map((message) => keyedHash(key, message)))
      const where = `case ${i}: ${count} x ${length}`
      expect(hash.many(key, input, count, length), where).toEqual(expected)
      expect(hash.many(key, input, count, length, out), where).toBe(out)
      expect(out, where).toEqual(expected)
      expect([...room.subarray(0, from), ...room.subarray(from + count * 32)], where).toEqual(Array(8).fill(0))
    }
  })

  test('refuses lengths that do not fit together', async () => {
    const hash = await createFastHash(implementation)
    const key = new Uint8Array(32)
    expect(() => hash.many(key.subarray(1), new Uint8Array(64), 1, 64)).toThrow('32 bytes')
    expect(() => hash.many(key, new Uint8Array(63), 1, 64)).toThrow('63 bytes')
    expect(() => hash.many(key, new Uint8Array(64), 1, 64, new Uint8Array(31))).toThrow('31 bytes')
    expect(hash.many(key, new Uint8Array(0), 0, 64)).toEqual(new Uint8Array(0))
  })
})

describe('wasm-simd', () => {
  test('batches of more than one memory, one long message, and several long ones', async () => {
    const hash = await createFastHash('wasm-simd')
    const random = createRandom(3)
    const key = random.bytes(32)
    for (const [count, length] of [
      [5000, 3],
      [3000, 64],
      [1025, 80],
      [67, 1024],
      [50, 1536],
      [17, 4096],
      [5, 20_000],
      [2, 65_537],
      [1, 65_536],
      [1, 300_001],
    ] as const) {
      const input = random.bytes(count * length)
      const messages = Array.from({ length: count }, (_, j) => input.subarray(j * length, (j + 1) * length))
      const expected = concatBytes(...messages.map((message) => keyedHash(key, message)))
      expect(Buffer.compare(hash.many(key, input, count, length), expected), `${count} x ${length}`).toBe(0)
    }
  })
})

test('a plain hash is made to take batches, a batch hash stays what it is', async () => {
  const key = new Uint8Array(32).fill(3)
  const hash = batchOf(keyedHash)
  expect(hash.many(key, new Uint8Array(10), 2, 5)).toEqual(
    concatBytes(keyedHash(key, new Uint8Array(5)), keyedHash(key, new Uint8Array(5))),
  )
  expect(batchOf(hash)).toBe(hash)
})

test('batches that go wrong fail the self-test', async () => {
  const good = await createFastHash('wasm-simd')
  const spoilt = (many: BatchHash['many']): BatchHash =>
    Object.assign((key: Uint8Array, data: Uint8Array) => good(key, data), { implementation: good.implementation, many })
  expect(() => hashSelfTest(good)).not.toThrow()
  const lastRepeats: BatchHash['many'] = (key, input, count, length) => {
    const out = good.many(key, input, count, length)
    if (count === 9) out.copyWithin(256, 224)
    return out
  }
  expect(() => hashSelfTest(spoilt(lastRepeats))).toThrow('9 messages')
  const ignoresKey: BatchHash['many'] = (_, ...rest) => good.many(new Uint8Array(32), ...rest)
  expect(() => hashSelfTest(spoilt(ignoresKey))).toThrow('differ')
})

interface Compiler {
  compile(bytes: Uint8Array): Promise<unknown>
  readonly Instance: unknown
}

describe('where WebAssembly does not work', () => {
  afterEach(() => vi.unstubAllGlobals())

  test('without SIMD, hash-wasm is used', async () => {
    const { WebAssembly: real } = globalThis as unknown as { WebAssembly: Compiler }
    const oneOfSimd = Buffer.from([0xfd, 0x0c])
    const compile: Compiler['compile'] = (bytes) =>
      Buffer.from(bytes).includes(oneOfSimd) ? Promise.reject(new Error('no SIMD')) : real.compile(bytes)
    vi.stubGlobal('WebAssembly', { ...real, compile, Instance: real.Instance })
    await expect(createFastHash('wasm-simd')).rejects.toThrow('no SIMD')
    const hash = await createFastHash()
    expect(hash.implementation).toBe('wasm')
  })

  test('without any of it, the reference is used', async () => {
    vi.stubGlobal('WebAssembly', undefined)
    await expect(createFastHash('wasm-simd')).rejects.toThrow()
    const hash = await createFastHash()
    expect(hash.implementation).toBe('reference')
    const key = new Uint8Array(32)
    expect(hash(key, new Uint8Array(5))).toEqual(keyedHash(key, new Uint8Array(5)))
  })
})
