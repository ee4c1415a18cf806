import { readFile } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { createFastHash, type ImportedModel, importModel, openSourceModel, type SourceModel } from '@nacre/engine'
import { bytesToHex, MAX_NAME_BYTES, MAX_SEQUENCE_LENGTH, ProtocolError } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { exists } from '../files.ts'
import { integerFlag, oneFile, parsed } from '../options.ts'
import { interruptible } from '../signals.ts'
import { type Comparison, compareWithFloat, isSmall } from './model-compare.ts'
import { dimensionsText, parameterCount, piecesText, reportLines, thousands } from './model-report.ts'

const USAGE = `Makes a Nacre model of another project's: a llama2.c checkpoint, a GGUF file (F32, F16, BF16 or Q8_0), or a Llama
model of Hugging Face (its folder, index or safetensors file, with config.json and tokenizer.json beside it).

  npm run nacre -- model import FILE --out PATH [options]

  --out PATH          a .safetensors file, or a folder that gets a model.safetensors; needed
  --force             replace a model that is there
  --tokenizer FILE    a llama2.c tokenizer, instead of the model's own. llama2.c checkpoints have none: without the option,
                      tok<vocabulary>.bin or tokenizer.bin beside them is taken
  --max-seq-len N     fewer positions than the model has
  --name NAME         name in the manifest: a-z 0-9 . - (default: from the file's name)
  --text FILE         compare float and int8 on this text (default: one that the float model makes up)
  --tokens N          compare on so many tokens at most (default 1024)
  --no-compare        do not compare; models of more than 268 million weights are compared only with --compare
  --json              print one JSON object on standard output
  --help              this text

Exit codes: 0 imported, 1 malformed, unsupported (every reason is listed) or no disk, 2 wrong usage, 130 interrupted.
`

const OPTIONS = {
  out: { type: 'string' },
  force: { type: 'boolean', default: false },
  tokenizer: { type: 'string' },
  'max-seq-len': { type: 'string' },
  name: { type: 'string' },
  text: { type: 'string' },
  tokens: { type: 'string', default: '1024' },
  compare: { type: 'boolean' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

const MAX_TOKENS = 1_000_000

/** `nacre model import`. */
export async function importCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parsed(
    () => parseArgs({ args: [...args], allowPositionals: true, allowNegative: true, options: OPTIONS }),
    USAGE,
  )
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const path = oneFile(positionals, USAGE)
  if (values.out === undefined) throw new CliError(`--out is needed\n\n${USAGE}`, 2)
  const wishes: Wishes = {
    ...{ name: values.name, compare: values.compare, json: values.json },
    out: outputPath(values.out),
    text: values.text === undefined ? undefined : { content: await textOf(values.text), path: values.text },
    tokens: integerFlag('tokens', values.tokens, 1, MAX_TOKENS),
  }
  const positions = values['max-seq-len']
  const maxSeqLen = positions === undefined ? undefined : integerFlag('max-seq-len', positions, 1, MAX_SEQUENCE_LENGTH)
  if (!values.force && (await exists(wishes.out)))
    throw new CliError(`${wishes.out} is there already; --force replaces it`)

  try {
    await interruptible(async (signal) => {
      const source = await openSourceModel(path, { tokenizer: values.tokenizer, maxSeqLen })
      try {
        await convert(source, wishes, signal)
      } finally {
        await source.close()
      }
    })
  } catch (error) {
    if (values.json && error instanceof ProtocolError) process.stdout.write(`${JSON.stringify(failure(error))}\n`)
    throw error
  }
}

interface Wishes {
  readonly name: string | undefined
  readonly out: string
  readonly text: { readonly content: string; readonly path: string } | undefined
  readonly tokens: number
  /** Undefined leaves it to the model's size. */
  readonly compare: boolean | undefined
  readonly json: boolean
}

async function textOf(path: string): Promise<string> {
  const content = await readFile(path, 'utf8')
  return content === '' ? Promise.reject(new CliError(`${path} is empty`)) : content
}

async function convert(source: SourceModel, wishes: Wishes, signal: AbortSignal): Promise<void> {
  const { out, text, tokens } = wishes
  const hash = await createFastHash()
  const interrupted = (error: unknown, what: string): unknown =>
    signal.aborted ? new CliError(`interrupted: ${what}`, 130) : error
  const options = { name: wishes.name ?? nameOf(source.path), out, hash, signal }
  const model = await importModel(source, { ...options, ...(process.stderr.isTTY ? { onProgress } : {}) }).catch(
    (error: unknown) => {
      throw interrupted(error, 'no model was written')
    },
  )
  const wanted = wishes.compare ?? (text !== undefined || isSmall(model.config))
  const comparison = wanted
    ? await compareWithFloat({ source, file: out, hash, text, tokens, signal }).catch((error: unknown) => {
        throw interrupted(error, `${out} is written, but not compared`)
      })
    : undefined
  process.stdout.write(
    wishes.json
      ? `${JSON.stringify(jsonReport(source, model, out, comparison))}\n`
      : textReport(source, model, out, comparison),
  )
}

function onProgress(done: number, total: number): void {
  process.stderr.write(done === total ? '\r\x1b[K' : `\r${Math.floor((100 * done) / total)} % of the weights`)
}

/** A path that ends like a model file is one; anything else is a folder. */
const outputPath = (path: string): string => (extname(path) === '.safetensors' ? path : join(path, 'model.safetensors'))

/** The name of a model from that of its file, or of its folder where the file is only called `model`. */
function nameOf(path: string): string {
  const file = basename(resolve(path)).replace(/(\.safetensors)?\.index\.json$|\.(bin|gguf|safetensors)$/i, '')
  const name = (file === 'model' ? basename(dirname(resolve(path))) : file).toLowerCase()
  return name.replace(/[^a-z0-9.-]+/g, '-').slice(0, MAX_NAME_BYTES) || 'model'
}

/** Numbers of values by type: F16 weights with F32 norms. */
function typesOf(source: SourceModel): string {
  const counts = new Map<string, number>()
  for (const { type } of source.tensors.values()) counts.set(type.name, (counts.get(type.name) ?? 0) + 1)
  return [...counts].map(([type, count]) => `${count} in ${type}`).join(', ')
}

function textReport(
  source: SourceModel,
  model: ImportedModel,
  out: string,
  comparison: Comparison | undefined,
): string {
  const { config } = model
  const matrices = [...source.tensors.values()].filter(({ rows }) => rows > 1).length
  const percent = comparison === undefined ? 0 : 100 * (comparison.ratio - 1)
  return reportLines([
    ['source', `${source.path}, ${source.format}`],
    ['tensors', `${source.tensors.size}: ${typesOf(source)}`],
    [
      'converted',
      `${matrices} matrices to int8 with a scale for each row; ${source.tensors.size - matrices} norms as they are`,
    ],
    ['tokenizer', `${piecesText(source.tokenizer.pieces)}, from ${source.tokenizerFrom}`],
    ['model', dimensionsText(config)],
    ['parameters', thousands(parameterCount(config))],
    ['unsupported', 'nothing'],
    ...(model.zeroRows === 0 ? [] : [['zero rows', thousands(model.zeroRows)] as const]),
    ...(source.notes.length === 0 ? [] : [['notes', source.notes] as const]),
    ['written', `${out}, ${thousands(model.fileBytes)} bytes`],
    ['name', config.name],
    ['model id', bytesToHex(model.modelId)],
    comparison === undefined
      ? ['perplexity', 'not compared']
      : [
          'perplexity',
          [
            `float ${comparison.floatPerplexity.toFixed(4)}, int8 ${comparison.int8Perplexity.toFixed(4)} (${percent < 0 ? '' : '+'}${percent.toFixed(2)} %)`,
            `on ${thousands(comparison.tokens)} tokens ${comparison.text}`,
          ],
        ],
  ])
}

function jsonReport(
  source: SourceModel,
  model: ImportedModel,
  out: string,
  comparison: Comparison | undefined,
): unknown {
  const { tokenizerHash, ...config } = model.config
  return {
    ok: true,
    source: {
      path: source.path,
      format: source.format,
      tensors: source.tensors.size,
      ropeTheta: source.config.ropeTheta,
    },
    tokenizer: { from: source.tokenizerFrom, pieces: source.tokenizer.pieces.length, hash: bytesToHex(tokenizerHash) },
    config,
    parameters: parameterCount(model.config),
    unsupported: [],
    notes: source.notes,
    zeroRows: model.zeroRows,
    file: { path: out, bytes: model.fileBytes },
    modelId: bytesToHex(model.modelId),
    comparison,
  }
}

function failure(error: ProtocolError): unknown {
  const unsupported = 'reasons' in error ? error.reasons : []
  return { ok: false, code: error.code, message: error.message, unsupported }
}
