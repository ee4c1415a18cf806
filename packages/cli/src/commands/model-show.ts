import { stat } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { createFastHash, loadModelFile, modelFormat, openSourceModel } from '@nacre/engine'
import { bytesToHex } from '@nacre/protocol'
import { oneFile, parsed } from '../options.ts'
import { dimensionsText, parameterCount, piecesText, reportLines, thousands } from './model-report.ts'

const USAGE = `Shows what a model file is: a Nacre model, or one that could be imported.

  npm run nacre -- model show FILE [options]

  --tokenizer FILE    a llama2.c tokenizer, for a model that is not imported yet
  --json              print one JSON object
  --help              this text
`

/** `nacre model show`. */
export async function showCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parsed(
    () =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
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
  const isNacre = (await modelFormat(path)) === 'nacre'
  const { json, rows } = isNacre ? await showNacre(path) : await showSource(path, values.tokenizer)
  process.stdout.write(values.json ? `${JSON.stringify(json)}\n` : reportLines(rows))
}

interface Shown {
  readonly json: unknown
  readonly rows: readonly (readonly [string, string | readonly string[]])[]
}

async function showNacre(path: string): Promise<Shown> {
  const { model, tokenizer } = await loadModelFile(path, await createFastHash())
  const { tokenizerHash, ...config } = model.config
  const { size } = await stat(path)
  const modelId = bytesToHex(model.modelId)
  const hash = bytesToHex(tokenizerHash)
  const parameters = parameterCount(model.config)
  return {
    json: { format: 'nacre', config, parameters, bytes: size, modelId, tokenizer: { kind: tokenizer.kind, hash } },
    rows: [
      ['file', `${path}, a Nacre model of ${thousands(size)} bytes`],
      ['name', config.name],
      ['model id', modelId],
      ['model', dimensionsText(config)],
      ['parameters', thousands(parameters)],
      [
        'tokenizer',
        `${tokenizer.kind}, ${thousands(tokenizer.vocabSize)} tokens, BOS ${config.bosToken}, EOS ${config.eosToken}`,
      ],
      ['its hash', hash],
    ],
  }
}

async function showSource(path: string, tokenizer: string | undefined): Promise<Shown> {
  const source = await openSourceModel(path, { tokenizer })
  await source.close()
  const { config, format, notes, tokenizerFrom } = source
  const { pieces } = source.tokenizer
  return {
    json: { format, config, notes, tokenizer: { from: tokenizerFrom, pieces: pieces.length } },
    rows: [
      ['file', `${path}, ${format}: can be imported`],
      ['model', dimensionsText(config)],
      ['rotary base', String(config.ropeTheta)],
      ['tokenizer', `${piecesText(pieces)}, BOS ${config.bosToken}, EOS ${config.eosToken}, from ${tokenizerFrom}`],
      ...(notes.length === 0 ? [] : [['notes', notes] as const]),
    ],
  }
}
