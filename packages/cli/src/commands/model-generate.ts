import { parseArgs } from 'node:util'
import {
  createFastHash,
  createKernels,
  createUnitEngine,
  dequantisedModel,
  generateFloat,
  loadFloatModel,
  loadModelFile,
  modelFormat,
  openSourceModel,
} from '@nacre/engine'
import {
  bpeTokenizer,
  encodeBpeDefinition,
  MAX_SEQUENCE_LENGTH,
  MAX_TEMPERATURE_MILLI,
  type Tokenizer,
  type UnitTask,
} from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { integerFlag, oneFile, parsed } from '../options.ts'

const USAGE = `Continues a text.

  npm run nacre -- model generate FILE --prompt TEXT [options]

  --prompt TEXT         what comes first (default: nothing, so the model begins)
  --max-new-tokens N    tokens at most (default 128, or what the model's positions allow)
  --temperature MILLI   thousandths, 0 to 65535 (default 0: the likeliest token each time)
  --seed N              another choice of tokens for each seed, with a temperature (default 0)
  --float               weights and activations in float instead of the network's int8 arithmetic; needed for a model that is
                        not imported, whose own weights are taken then
  --tokenizer FILE      a llama2.c tokenizer, for a model that is not imported
  --json                print one JSON object
  --help                this text
`

const DEFAULT_NEW_TOKENS = 128

/** `nacre model generate`. */
export async function generateCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parsed(
    () =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          prompt: { type: 'string', default: '' },
          'max-new-tokens': { type: 'string' },
          temperature: { type: 'string', default: '0' },
          seed: { type: 'string', default: '0' },
          float: { type: 'boolean', default: false },
          tokenizer: { type: 'string' },
          json: { type: 'boolean', default: false },
          help: { type: 'boolean', default: false },
        },
      }),
    USAGE,
  )
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const path = oneFile(positionals, USAGE)
  const temperatureMilli = integerFlag('temperature', values.temperature, 0, MAX_TEMPERATURE_MILLI)
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, integerFlag('seed', values.seed, 0, 2 ** 32 - 1), true)
  const wanted = values['max-new-tokens']
  const asked = wanted === undefined ? undefined : integerFlag('max-new-tokens', wanted, 1, MAX_SEQUENCE_LENGTH)

  const model = await openModel(path, values.float, values.tokenizer)
  const { bosToken, eosToken, maxSeqLen } = model
  const promptTokens = [bosToken, ...model.tokenizer.encode(values.prompt)]
  const room = maxSeqLen - promptTokens.length + 1
  if (room < 1) throw new CliError(`the prompt has ${promptTokens.length} tokens, the model ${maxSeqLen} positions`)
  if (asked !== undefined && asked > room)
    throw new CliError(`behind a prompt of ${promptTokens.length} tokens the model has room for ${room} more`)
  const maxNewTokens = asked ?? Math.min(DEFAULT_NEW_TOKENS, room)
  const tokens = await model.run({ promptTokens, maxNewTokens, decoding: { temperatureMilli, seed, stopAtEos: true } })
  const generated = tokens.slice(promptTokens.length)
  const end = generated.findIndex((token) => token === bosToken || token === eosToken)
  const kept = [...promptTokens, ...(end < 0 ? generated : generated.slice(0, end))]
  const text = model.tokenizer.decode(kept)
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ text, promptTokens, newTokens: generated, arithmetic: values.float ? 'float' : 'int8' })}\n`
      : `${text}\n`,
  )
}

interface OpenModel {
  readonly bosToken: number
  readonly eosToken: number
  readonly maxSeqLen: number
  readonly tokenizer: Tokenizer
  /** All tokens, the prompt's first. */
  run(task: UnitTask): Promise<number[]>
}

async function openModel(path: string, float: boolean, tokenizerPath: string | undefined): Promise<OpenModel> {
  if ((await modelFormat(path)) !== 'nacre') {
    if (!float) throw new CliError(`${path} is no Nacre model: import it, or run it as it is with --float`)
    const source = await openSourceModel(path, { tokenizer: tokenizerPath })
    try {
      const model = await loadFloatModel(source)
      const tokenizer = bpeTokenizer(encodeBpeDefinition(source.tokenizer))
      return { ...source.config, tokenizer, run: (task) => generateFloat(model, task) }
    } finally {
      await source.close()
    }
  }
  if (tokenizerPath !== undefined) throw new CliError('a Nacre model has its tokenizer: --tokenizer is not for it', 2)
  const hash = await createFastHash()
  const { model, tokenizer } = await loadModelFile(path, hash)
  if (float) {
    const real = dequantisedModel(model)
    return { ...model.config, tokenizer, run: (task) => generateFloat(real, task) }
  }
  const engine = createUnitEngine({ model, kernels: await createKernels(), hash })
  return { ...model.config, tokenizer, run: async (task) => [...engine.generate(task).tokens] }
}
