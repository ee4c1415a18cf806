/** The catalogue as a whole: ids, places of the checks, and docs/security/attacks.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FAMILIES, isStopped } from '../src/attack.ts'
import { CATALOGUE } from '../src/catalogue.ts'
import { catalogueText } from '../src/document.ts'

const REPOSITORY = new URL('../../', import.meta.url)
const DOCUMENT = new URL('docs/security/attacks.md', REPOSITORY)
const attacks = FAMILIES.flatMap((family) => CATALOGUE[family])
const read = (path: string): string => readFileSync(new URL(path, REPOSITORY), 'utf8')

test('no two attacks have the same id', () => {
  expect(new Set(attacks.map(({ id }) => id)).size).toBe(attacks.length)
})

test('each check of a stopped attack stands in the code exactly once', () => {
  const misplaced = attacks
    .filter(isStopped)
    .filter(({ check: { file, from } }) => read(file).split(from).length !== 2)
    .map(({ id }) => id)
  expect(misplaced).toEqual([])
})

test('docs/security/attacks.md is the catalogue; UPDATE_DOCS=1 rewrites it', () => {
  if (process.env.UPDATE_DOCS === '1') writeFileSync(DOCUMENT, catalogueText())
  expect(readFileSync(DOCUMENT, 'utf8')).toBe(catalogueText())
})
