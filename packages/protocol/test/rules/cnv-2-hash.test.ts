/**
 * CNV-2: every hash has a domain. H[tag](x) is BLAKE3 keyed by the hash of the tag's text, so a value hashed for one purpose never equals one
 * hashed for another.
 *
 *   "nacre/1/block" -> BLAKE3 -> key -> BLAKE3 keyed (parts, one after the other)
 *
 * Check values for every tag: vectors/hashes.json, conventions.test.ts.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { blake3 } from '@noble/hashes/blake3.js'
import { expect, test } from 'vitest'
import { HASH_TAGS, taggedHash, taggedXof, utf8ToBytes } from '../../src/index.ts'

const SOURCE = new URL('../../src/', import.meta.url)

test('the hash, written out', () => {
  const key = blake3(utf8ToBytes('nacre/1/block'))
  expect(taggedHash('block', utf8ToBytes('ab'), utf8ToBytes('c'))).toEqual(blake3(utf8ToBytes('abc'), { key }))
  expect(taggedXof('block', 40, utf8ToBytes('abc'))).toEqual(blake3(utf8ToBytes('abc'), { key, dkLen: 40 }))
})

test('no two domains agree on anything', () => {
  const tags = Object.keys(HASH_TAGS) as (keyof typeof HASH_TAGS)[]
  expect(new Set(tags.map((tag) => taggedHash(tag, utf8ToBytes('abc')).join())).size).toBe(tags.length)
  for (const text of Object.values(HASH_TAGS)) expect(text).toMatch(/^nacre\/1\/[a-z-/]+$/)
})

test('no code of the protocol hashes without a domain: BLAKE3 is imported in one place', () => {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const importers = files.filter((file) =>
    /@noble\/hashes\/(?!utils)/.test(readFileSync(new URL(file, SOURCE), 'utf8')),
  )
  expect(importers).toEqual(['hash.ts'])
})
