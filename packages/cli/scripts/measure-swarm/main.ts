/**
 * What n answers are worth: accuracy by the engine, latency and price on a local network. Writes docs/results/swarm.json and the tables of
 * docs/results/swarm.md; what the tables mean stands below them in the same file and is kept.
 *   npm run measure:swarm [-- --accuracy-only | --network-only]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createFastHash, createKernels, createUnitEngine } from '@nacre/engine'
import { presets } from '@nacre/protocol'
import { CliError, runMain } from '../../src/errors.ts'
import { loadTextModel } from '../../src/network-model.ts'
import { interruptible } from '../../src/signals.ts'
import { type AccuracyRow, type AnsweringModel, askAll, type Question, type Tasks } from './accuracy.ts'
import { measureNetwork } from './network.ts'
import { markdown, type Results } from './report.ts'

const root = new URL('../../../../', import.meta.url)
const pathOf = (name: string): string => fileURLToPath(new URL(name, root))
const MODEL = 'nacre-small'
const TEMPERATURES = [0.7, 1] as const
const NETWORK_TEMPERATURE = 0.7
/** Of the task that leaves most to gain. */
const NETWORK_TASK = 'product-2x2'
const NETWORK_QUESTIONS = 4
/** Five miners whose prices lie a twentieth apart. */
const ASKS: readonly bigint[] = [1_000_000n, 1_050_000n, 1_100_000n, 1_150_000n, 1_200_000n]
/** Everything below this line of the document is written by hand. */
const BY_HAND = '<!-- written by hand from here on -->'

const print = (line: string): void => void process.stderr.write(`${line}\n`)

await runMain(() =>
  interruptible(async (signal) => {
    const { tasks } = JSON.parse(readFileSync(pathOf(`models/${MODEL}/eval.json`), 'utf8')) as { tasks: Tasks }
    const hash = await createFastHash()
    const { model, modelId, tokenizer } = await loadTextModel(presets.devnet, MODEL, hash)
    const engine = createUnitEngine({ model, kernels: await createKernels(), hash })
    const answering: AnsweringModel = { engine, tokenizer }
    const only = process.argv[2]
    if (only !== undefined && only !== '--accuracy-only' && only !== '--network-only')
      throw new CliError(`"${only}" is neither --accuracy-only nor --network-only`, 2)
    const accuracy = only === '--network-only' ? undefined : await accuracyOf(answering, tasks, signal)
    const network = only === '--accuracy-only' ? undefined : await networkOf(answering, tasks[NETWORK_TASK]!, signal)
    // Only now: the other part may have been measured meanwhile.
    const json = pathOf('docs/results/swarm.json')
    const before = existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as Results) : undefined
    const none = { temperature: NETWORK_TEMPERATURE, asks: [], rows: [] }
    const results: Results = {
      ...{ date: new Date().toISOString().slice(0, 10), model: MODEL, modelId },
      accuracy: accuracy ?? before?.accuracy ?? [],
      network: network ?? before?.network ?? none,
    }
    writeFileSync(json, `${JSON.stringify(results, undefined, 1)}\n`)
    const path = pathOf('docs/results/swarm.md')
    const byHand = existsSync(path) ? (readFileSync(path, 'utf8').split(BY_HAND)[1] ?? '\n') : '\n'
    writeFileSync(path, `${markdown(results)}\n${BY_HAND}${byHand}`)
    print(`wrote ${path} and ${json}`)
  }),
)

async function accuracyOf(model: AnsweringModel, tasks: Tasks, signal: AbortSignal): Promise<Results['accuracy']> {
  const total = TEMPERATURES.length * Object.values(tasks).flat().length
  let done = 0
  const onQuestion = (): void => {
    if (++done % 100 === 0) print(`${done} of ${total} questions`)
  }
  const rows: AccuracyRow[] = []
  for (const temperature of TEMPERATURES) rows.push(...(await askAll(model, tasks, temperature, onQuestion, signal)))
  return rows
}

async function networkOf(
  model: AnsweringModel,
  questions: readonly Question[],
  signal: AbortSignal,
): Promise<Results['network']> {
  const asked = questions.slice(0, NETWORK_QUESTIONS)
  const rows = await measureNetwork({
    ...{ asks: ASKS, questions: asked, temperature: NETWORK_TEMPERATURE, model, print, signal },
  })
  return { temperature: NETWORK_TEMPERATURE, asks: ASKS.map(String), rows }
}
