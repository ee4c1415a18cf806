import { concatBytes, keyedHash } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { createFastHash, hashSelfTest } from '../src/index.ts'
import { createRandom } from './support/random.ts'

test('the fast hash is not the reference, and equals it for 1,000 random keys and lengths', async () => {
  const hash = await createFastHash()
  expect(hash).not.toBe(keyedHash)
  const random = createRandom(1)
  for (let i = 0; i < 1000; i++) {
    const key = random.bytes(32)
    const data = random.bytes(i % 10 === 0 ? random.below(40_000) : random.below(300))
    expect(hash(key, data), `case ${i}`).toEqual(keyedHash(key, data))
  }
})

test('earlier digests do not change, and views are read as views', async () => {
  const hash = await createFastHash()
  const key = new Uint8Array(32).fill(5)
  const data = new Uint8Array(200).map((_, i) => i)
  const first = hash(key, data.subarray(100, 164))
  const copy = first.slice()
  hash(new Uint8Array(32), data)
  expect(first).toEqual(copy)
  expect(first).toEqual(keyedHash(key, data.slice(100, 164)))
  expect(() => hash(key.subarray(1), data)).toThrow('32 bytes')
})

test('a wrong hash fails the self-test', () => {
  expect(() => hashSelfTest(keyedHash)).not.toThrow()
  expect(() => hashSelfTest((key, data) => keyedHash(key, concatBytes(data, new Uint8Array(1))))).toThrow('differs')
  expect(() => hashSelfTest((_, data) => keyedHash(new Uint8Array(32), data))).toThrow('differs')
})
