/** `nacre model` at a terminal: import, show, generate; exit codes, messages, files. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ggufFile, ggufMetadata, ggufParts, ggufTensors } from '../../engine/test/support/import-gguf.ts'
import { llama2cTokenizer } from '../../engine/test/support/import-llama2c.ts'
import { CONFIG, randomWeights } from '../../engine/test/support/import-weights.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const nodeArgs = [
  '--conditions=development',
  '--disable-warning=ExperimentalWarning',
  'packages/cli/src/nacre.ts',
  'model',
]
const model = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [...nodeArgs, ...args], { cwd: root, encoding: 'utf8', timeout: 50_000 })

const SMALL = 'models/nacre-small/model.safetensors'
let dir: string
const at = (name: string): string => join(dir, name)

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'nacre-model-'))
  const weights = randomWeights()
  writeFileSync(at('small.gguf'), ggufFile(weights, CONFIG, 'Q8_0'))
  const metadata = ggufMetadata()
  metadata.set('general.architecture', ['string', 'qwen2'])
  const tensors = ggufTensors(weights)
  tensors[2]!.type = 12
  writeFileSync(at('other.gguf'), Buffer.concat(ggufParts(metadata, tensors)))
  writeFileSync(at('cut.gguf'), ggufFile(weights).subarray(0, 30_000))
  writeFileSync(at('empty.txt'), '')
})
afterAll(() => rmSync(dir, { recursive: true }))

/** A folder that exists and takes no other. */
const PROC: [string[], number, RegExp] = [
  ['import', '{dir}/small.gguf', '--out', '/proc/none/x'],
  1,
  /^nacre: ENOENT[^\n]*\n$/,
]

describe('refused', () => {
  test.each<[string[], number, RegExp]>([
    [['imports'], 2, /^nacre: there is no "model imports"/],
    [['import', '--out', '{dir}/x'], 2, /^nacre: one FILE is needed/],
    [['import', SMALL, 'y', '--out', '{dir}/x'], 2, /^nacre: one FILE is needed/],
    [['import', SMALL], 2, /^nacre: --out is needed/],
    [['import', SMALL, '--out', '{dir}/x', '--bogus'], 2, /Unknown option '--bogus'/],
    [['import', SMALL, '--out', '{dir}/x', '--max-seq-len', '0'], 2, /^nacre: --max-seq-len is a whole number from 1/],
    [['import', SMALL, '--out', '{dir}/x', '--tokens', 'many'], 2, /^nacre: --tokens is a whole number/],
    [['import', '/nonexistent', '--out', '{dir}/x'], 1, /^nacre: ENOENT[^\n]*\n$/],
    [['import', SMALL, '--out', '{dir}/x'], 1, /^nacre: MODEL_UNSUPPORTED: [^\n]*it is a Nacre model already\n$/],
    [
      ['import', 'README.md', '--out', '{dir}/x'],
      1,
      /^nacre: MODEL_MALFORMED: README\.md is neither safetensors nor GGUF[^\n]*\n$/,
    ],
    [
      ['import', '{dir}/cut.gguf', '--out', '{dir}/x'],
      1,
      /^nacre: MODEL_MALFORMED: [^\n]* ends at 30000, inside token_embd[^\n]*\n$/,
    ],
    [['import', '{dir}/small.gguf', '--out', '{dir}/x', '--tokenizer', '/nonexistent'], 1, /^nacre: ENOENT[^\n]*\n$/],
    [['import', '{dir}/small.gguf', '--out', '{dir}/x', '--text', '/nonexistent'], 1, /^nacre: ENOENT[^\n]*\n$/],
    [
      ['import', '{dir}/small.gguf', '--out', '{dir}/x', '--text', '{dir}/empty.txt'],
      1,
      /^nacre: [^\n]*empty\.txt is empty\n$/,
    ],
    [
      ['import', '{dir}/small.gguf', '--out', '{dir}/x', '--name', 'Not Allowed'],
      1,
      /^nacre: MODEL_MALFORMED: the name [^\n]*\n$/,
    ],
    ...(process.platform === 'linux' ? [PROC] : []),
    [['import', '{dir}/small.gguf', '--out', '{dir}/empty.txt'], 1, /^nacre: ENOTDIR[^\n]*\n$/],
    [['show'], 2, /^nacre: one FILE is needed/],
    [['show', '{dir}/cut.gguf'], 1, /^nacre: MODEL_MALFORMED: [^\n]*\n$/],
    [
      ['generate', '{dir}/small.gguf'],
      1,
      /^nacre: [^\n]*is no Nacre model: import it, or run it as it is with --float\n$/,
    ],
    [['generate', SMALL, '--tokenizer', 'x'], 2, /^nacre: a Nacre model has its tokenizer/],
    [
      ['generate', SMALL, '--prompt', 'x'.repeat(128)],
      1,
      /^nacre: the prompt has 129 tokens, the model 128 positions\n$/,
    ],
    [
      ['generate', SMALL, '--max-new-tokens', '129'],
      1,
      /^nacre: behind a prompt of 1 tokens the model has room for 128 more\n$/,
    ],
    [['generate', SMALL, '--temperature', '1.5'], 2, /^nacre: --temperature is a whole number from 0 to 65535/],
  ])('%j with code %i', (args, code, message) => {
    const before = readdirSync(dir)
    const { status, stdout, stderr } = model(...args.map((arg) => arg.replace('{dir}', dir)))
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect([status, stdout]).toEqual([code, ''])
    expect(readdirSync(dir)).toEqual(before)
  })

  test('with every reason, for people and as JSON', () => {
    const { status, stdout, stderr } = model('import', at('other.gguf'), '--out', at('x'), '--json')
    expect(status).toBe(1)
    expect(stderr).toBe(
      `nacre: MODEL_UNSUPPORTED: ${at('other.gguf')} cannot be imported:\n` +
        '  - the architecture qwen2, only llama is read\n' +
        '  - 1 tensor in Q4_K, only F32, F16, BF16 and Q8_0 are read\n',
    )
    const { ok, code, unsupported } = JSON.parse(stdout)
    expect([ok, code, unsupported.length]).toEqual([false, 'MODEL_UNSUPPORTED', 2])
    expect(readdirSync(dir)).not.toContain('x')
  })
})

test('--help says how to use each of them', () => {
  for (const verb of ['import', 'show', 'generate']) {
    const { status, stdout } = model(verb, '--help')
    expect([status, stdout]).toEqual([0, expect.stringContaining(`npm run nacre -- model ${verb} FILE`)])
  }
  expect(model().stdout).toContain('model import FILE')
})

test('a model is imported, compared, shown and run', () => {
  const out = at('new/folder')
  const file = join(out, 'model.safetensors')
  const made = model('import', at('small.gguf'), '--out', out, '--tokens', '50', '--json')
  expect([made.status, made.stderr]).toEqual([0, ''])
  const report = JSON.parse(made.stdout)
  expect(report).toMatchObject({
    ok: true,
    source: { format: 'GGUF 3', tensors: 20 },
    tokenizer: { pieces: 272, from: 'the model file' },
    config: { name: 'small', dModel: 32, tiedHead: true },
    unsupported: [],
    file: { path: file },
    comparison: { tokens: 50 },
  })
  const { floatPerplexity, int8Perplexity, ratio } = report.comparison
  expect(floatPerplexity).toBeGreaterThan(1)
  expect(ratio).toBeCloseTo(int8Perplexity / floatPerplexity, 9)

  const again = model('import', at('small.gguf'), '--out', out, '--no-compare')
  expect([again.status, again.stderr]).toEqual([1, `nacre: ${file} is there already; --force replaces it\n`])
  const forced = model('import', at('small.gguf'), '--out', out, '--no-compare', '--force')
  expect(forced.status).toBe(0)
  expect(forced.stdout).toMatch(/^tensors +20: 5 in F32, 15 in Q8_0$|^tensors +20: 15 in Q8_0, 5 in F32$/m)
  expect(forced.stdout).toMatch(/^converted +15 matrices to int8 with a scale for each row; 5 norms as they are$/m)
  expect(forced.stdout).toMatch(/^unsupported +nothing$/m)
  expect(forced.stdout).toMatch(new RegExp(`^model id +${report.modelId}$`, 'm'))
  expect(forced.stdout).toMatch(/^perplexity +not compared$/m)

  const shown = JSON.parse(model('show', file, '--json').stdout)
  expect(shown).toMatchObject({ modelId: report.modelId, tokenizer: { kind: 'bpe', hash: report.tokenizer.hash } })
  expect(model('show', at('small.gguf')).stdout).toMatch(/GGUF 3: can be imported/)

  writeFileSync(at('text.txt'), 'abc ab a caf\u00e9 '.repeat(30))
  const onText = model(
    'import',
    at('small.gguf'),
    '--out',
    at('t.safetensors'),
    '--text',
    at('text.txt'),
    '--tokens',
    '64',
  )
  expect(onText.stdout).toMatch(
    /^perplexity +float \d+\.\d{4}, int8 \d+\.\d{4} \([+-]\d+\.\d\d %\)\n +on 64 tokens of .*text\.txt$/m,
  )

  for (const args of [[file], [file, '--float'], [at('small.gguf'), '--float']]) {
    const run = model('generate', ...args, '--prompt', 'ab', '--max-new-tokens', '5', '--json')
    expect([run.status, run.stderr]).toEqual([0, ''])
    const { promptTokens, newTokens, text } = JSON.parse(run.stdout)
    expect(promptTokens[0]).toBe(1)
    expect(newTokens.length).toBeGreaterThan(0)
    expect(text.startsWith('ab')).toBe(true)
  }
})

test('a model of byte tokens is shown and run', () => {
  expect(model('show', SMALL).stdout).toMatch(/^tokenizer +byte, 260 tokens, BOS 256, EOS 257$/m)
  expect(model('generate', SMALL, '--prompt', '12+34=').stdout).toBe('12+34=46\n')
  expect(model('generate', SMALL, '--prompt', '12+34=', '--float').stdout).toBe('12+34=46\n')
})

test('an interrupted import leaves nothing and says so', async () => {
  const folder = at('interrupted')
  mkdirSync(folder)
  // Two gigabytes of zeros that take no room on the disk.
  const [dModel, ffnDim, layers, heads] = [4096, 11_008, 2, 32] as const
  const weights = 272 * dModel + layers * (2 * dModel + 4 * dModel ** 2 + 3 * dModel * ffnDim) + dModel
  const header = Int32Array.of(dModel, ffnDim, layers, heads, heads, 272, 2)
  writeFileSync(join(folder, 'big.bin'), new Uint8Array(header.buffer))
  truncateSync(join(folder, 'big.bin'), 28 + 4 * (weights + 2 * 2 * (dModel / heads / 2)))
  writeFileSync(join(folder, 'tokenizer.bin'), llama2cTokenizer())
  const out = join(folder, 'out')
  const child = spawn(
    process.execPath,
    [...nodeArgs, 'import', join(folder, 'big.bin'), '--out', out, '--no-compare'],
    { cwd: root },
  )
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  const isWriting = (): boolean => {
    try {
      return readdirSync(out).some((name) => name.endsWith('.partial'))
    } catch {
      return false
    }
  }
  while (!isWriting() && child.exitCode === null) await sleep(10)
  child.kill('SIGINT')
  expect([await ended, stderr]).toEqual([130, 'nacre: interrupted: no model was written\n'])
  expect(readdirSync(folder).sort()).toEqual(['big.bin', 'tokenizer.bin'])
})
