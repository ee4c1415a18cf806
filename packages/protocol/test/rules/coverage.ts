/** Which test shows which rule: the rules that docs/spec states, and the test files whose header comment or titles cite them. */
import { readdirSync, readFileSync } from 'node:fs'

export const REPOSITORY = new URL('../../../../', import.meta.url)
const SPEC = 'docs/spec/'
export const COVERAGE = `${SPEC}coverage.md`
export const RULE_TESTS = 'packages/protocol/test/rules/'

/** In the order of the table. P: properties. B: bindings. */
const FAMILIES = ['B', 'CNV', 'MOD', 'JOB', 'UNT', 'TRC', 'WRK', 'BLK', 'ECO', 'AUD', 'NET', 'P']
/** Rules of these families have a test of their own. */
const OWN_TEST = new Set(['JOB', 'UNT', 'TRC', 'WRK', 'BLK'])

const NUMBER = String.raw`(?:(?:CNV|MOD|JOB|UNT|TRC|WRK|BLK|ECO|AUD|NET)-\d+|P(?:10|[1-9])|B[1-6])`

export const familyOf = (rule: string): string => rule.replace(/-?\d+$/, '')
export const needsOwnTest = (rule: string): boolean => OWN_TEST.has(familyOf(rule))

export const readText = (path: string): string => readFileSync(new URL(path, REPOSITORY), 'utf8')

/** The rule numbers in a text; "MOD-2 to MOD-4" is three of them. */
export function citedRules(text: string): Set<string> {
  const out = new Set(text.match(new RegExp(String.raw`\b${NUMBER}\b`, 'g')))
  for (const [, family, from, to] of text.matchAll(/\b([A-Z]{3})-(\d+) to \1-(\d+)\b/g))
    for (let i = Number(from); i <= Number(to); i++) out.add(`${family}-${i}`)
  return out
}

/** Ways in which a line states a rule, the most definite first; one that only mentions a rule states nothing. */
const STATEMENTS: readonly RegExp[] = [
  new RegExp(`^#+ (${NUMBER})\\b`), // ## WRK-3: fold
  new RegExp(`^(?:- )?\\*\\*(${NUMBER})\\b`), // - **NET-1** ...
  new RegExp(`^\\| (${NUMBER}) \\|`), // | P1 | ...
  new RegExp(`^(?:- |\\d+\\. )\\*\\*[^*]+\\*\\* \\((${NUMBER})\\)`), // 2. **Maturity** (ECO-8) ...
  new RegExp(`^#+ .*\\((${NUMBER})\\)$`), // ## Sampling (AUD-1)
  new RegExp(`^(?:- )?(${NUMBER})[:,] `), // - JOB-3, with ...
]

/** Each rule that the specification states, with the chapter that states it most definitely. */
export function statedRules(): Map<string, string> {
  const found = new Map<string, { chapter: string; rank: number }>()
  const add = (rule: string, chapter: string, rank: number): void => {
    if (rank < (found.get(rule)?.rank ?? Number.POSITIVE_INFINITY)) found.set(rule, { chapter, rank })
  }
  for (const chapter of list(SPEC, '.md')) {
    if (`${SPEC}${chapter}` === COVERAGE) continue
    for (const line of readText(`${SPEC}${chapter}`).split('\n')) {
      STATEMENTS.forEach((pattern, rank) => {
        const rule = pattern.exec(line)?.[1]
        if (rule !== undefined) add(rule, chapter, rank)
      })
      // The index of chapters names the one that is about a single rule.
      const indexed = new RegExp(`^\\| \\[[^\\]]+\\]\\(([^)]+)\\) \\| (${NUMBER}) \\|`).exec(line)
      if (indexed !== null) add(indexed[2]!, indexed[1]!, -1)
    }
  }
  return new Map([...found].sort(([a], [b]) => order(a) - order(b)).map(([rule, { chapter }]) => [rule, chapter]))
}

const order = (rule: string): number => 1000 * FAMILIES.indexOf(familyOf(rule)) + Number(/\d+$/.exec(rule)![0])

export interface TestFile {
  /** From the root of the repository. */
  readonly path: string
  readonly header: string
  readonly rules: ReadonlySet<string>
}

/** All test files in the order of their paths. */
export function testFiles(): TestFile[] {
  const packages = readdirSync(new URL('packages/', REPOSITORY)).sort()
  const paths = packages.flatMap((name) => {
    const folder = `packages/${name}/test/`
    return list(folder, '.test.ts').map((file) => `${folder}${file}`)
  })
  return paths.map((path) => {
    const text = readText(path)
    const header = /^(?:\s*(?:\/\*[\s\S]*?\*\/|\/\/[^\n]*\n))*/.exec(text)![0]
    return { path, header, rules: citedRules([header, ...titlesOf(text)].join('\n')) }
  })
}

/** First arguments of `describe`, `test` and `it`, and of what `test.each(...)` returns. */
function titlesOf(text: string): string[] {
  const literal = String.raw`\(\s*(['"\`])((?:\\.|(?!\1)[^\\])*)\1`
  const calls = new RegExp(String.raw`(?:\b(?:describe|test|it)(?:\.\w+)*|\))${literal}`, 'g')
  return [...text.matchAll(calls)].map((match) => match[2]!)
}

function list(folder: string, ending: string): string[] {
  try {
    const files = readdirSync(new URL(folder, REPOSITORY), { recursive: true, encoding: 'utf8' })
    return files.filter((file) => file.endsWith(ending) && !file.includes('node_modules')).sort()
  } catch {
    return [] // a package without tests
  }
}

/** `packages/protocol/test/rules/wrk-3-fold.test.ts` is the test of WRK-3. */
export function ruleOfPath(path: string): string | undefined {
  if (!path.startsWith(RULE_TESTS)) return undefined
  const name = /^([a-z]+-\d+)-/.exec(path.slice(RULE_TESTS.length))
  return name?.[1]?.toUpperCase()
}

/** The text of docs/spec/coverage.md. */
export function coverageText(rules: ReadonlyMap<string, string>, tests: readonly TestFile[]): string {
  const link = ({ path }: TestFile): string => {
    const [, name, , ...rest] = path.split('/')
    const short = rest.join('/').replace('.test.ts', '')
    return `[${name === 'protocol' ? short.replace('rules/', '') : `${name}/${short}`}](../../${path})`
  }
  const rows = [...rules].map(([rule, chapter]) => {
    const own = tests.filter(({ path }) => ruleOfPath(path) === rule)
    const others = tests.filter((test) => !own.includes(test) && test.rules.has(rule))
    const cells = [own, others].map((files) => files.map(link).join(', ') || '-')
    return `| [${rule}](${chapter}) | ${cells.join(' | ')} |`
  })
  return [
    '# Coverage: which test shows which rule',
    '',
    'Rules as this specification states them, the test that reads as their documentation, and the other tests that cite the number in their first',
    'comment or in a title. Tests of `packages/protocol` are named without their package. `packages/protocol/test/rule-coverage.test.ts` builds this',
    'page, compares it, and fails for a rule that no test shows; `UPDATE_DOCS=1 npx vitest run rule-coverage` rewrites it.',
    '',
    '| rule | its test | other tests |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}
