/** Every rule of the specification has a test that shows it, and docs/spec/coverage.md says which. */
import { existsSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  COVERAGE,
  citedRules,
  coverageText,
  needsOwnTest,
  REPOSITORY,
  RULE_TESTS,
  readText,
  ruleOfPath,
  statedRules,
  testFiles,
} from './rules/coverage.ts'

const rules = statedRules()
const tests = testFiles()
const own = tests.filter(({ path }) => path.startsWith(RULE_TESTS))

test('rules are read from headings, lists, tables and the index; citations from first comments and titles', () => {
  const sample = ['WRK-3', 'NET-1', 'P10', 'B6', 'ECO-8', 'AUD-1', 'BLK-6']
  expect(sample.filter((rule) => !rules.has(rule))).toEqual([])
  expect(rules.get('BLK-6')).toBe('09-difficulty.md')
  expect([...citedRules('MOD-2 to MOD-4, P7; not XMOD-9 or P11')].sort()).toEqual(['MOD-2', 'MOD-3', 'MOD-4', 'P7'])
  const cites = (file: string, rule: string): boolean =>
    tests.some(({ path, rules }) => path.endsWith(file) && rules.has(rule))
  expect(cites('units.test.ts', 'UNT-2')).toBe(true)
  expect(cites('block-validation.test.ts', 'WRK-7')).toBe(true)
})

test('each rule of jobs, units, traces, work and blocks has a test of its own', () => {
  const shown = new Set(own.map(({ path }) => ruleOfPath(path)))
  expect([...rules.keys()].filter((rule) => needsOwnTest(rule) && !shown.has(rule))).toEqual([])
})

test('each other rule is cited by a test', () => {
  const cited = new Set(tests.flatMap(({ rules }) => [...rules]))
  expect([...rules.keys()].filter((rule) => !needsOwnTest(rule) && !cited.has(rule))).toEqual([])
})

test('a rule test begins with its rule, which the specification states', () => {
  const wrong = own.filter(({ path, header }) => {
    const rule = ruleOfPath(path)
    return rule === undefined || !rules.has(rule) || !new RegExp(`^/\\*\\*\\s+\\* ${rule}:`).test(header)
  })
  expect(wrong.map(({ path }) => path)).toEqual([])
})

test('the files that rule tests point to exist', () => {
  const missing = own.flatMap(({ path, header }) =>
    (header.match(/[\w./-]+\.(?:ts|json)\b/g) ?? [])
      .map((name) => (name.includes('/') ? name : `packages/protocol/test/${name}`))
      .filter((name) => !existsSync(new URL(name, REPOSITORY)))
      .map((name) => `${path}: ${name}`),
  )
  expect(missing).toEqual([])
})

test('docs/spec/coverage.md is what the tests say; UPDATE_DOCS=1 rewrites it', () => {
  const text = coverageText(rules, tests)
  if (process.env.UPDATE_DOCS === '1') writeFileSync(new URL(COVERAGE, REPOSITORY), text)
  expect(existsSync(new URL(COVERAGE, REPOSITORY)) ? readText(COVERAGE) : '').toBe(text)
})
