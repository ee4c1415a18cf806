/**
 * Exact-match accuracy of the committed model on its held-out prompts, by the engine, so by the numbers that consensus uses.
 *   node --conditions=development scripts/evaluate-model.ts [--json]
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createFastHash, createKernels, createUnitEngine, loadModel } from '@nacre/engine'
import { decodeByteTokens, encodeByteText } from '@nacre/protocol'

interface Question {
  readonly prompt: string
  readonly answer: string
}

const folder = fileURLToPath(new URL('../models/nacre-small/', import.meta.url))
const { tasks } = JSON.parse(readFileSync(`${folder}eval.json`, 'utf8')) as { tasks: Record<string, Question[]> }
const hash = await createFastHash()
const model = await loadModel(`${folder}model.safetensors`, hash)
const engine = createUnitEngine({ model, kernels: await createKernels(), hash })
const { bosToken, eosToken, maxSeqLen } = model.config

/** The greedy answer to a prompt, up to the end of sequence. */
function answerTo(prompt: string): string {
  const promptTokens = [bosToken, ...encodeByteText(prompt)]
  const maxNewTokens = maxSeqLen - promptTokens.length + 1
  const decoding = { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true }
  const { tokens } = engine.generate({ promptTokens, maxNewTokens, decoding })
  const generated = [...tokens.subarray(promptTokens.length)]
  const end = generated.indexOf(eosToken)
  return decodeByteTokens(end < 0 ? generated : generated.slice(0, end))
}

const rows = Object.entries(tasks).map(([task, questions]) => {
  const right = questions.filter(({ prompt, answer }) => answerTo(prompt) === answer).length
  return { task, right, of: questions.length }
})
const width = Math.max(...rows.map(({ task }) => task.length))
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(rows)}\n`)
else for (const { task, right, of } of rows) process.stdout.write(`${task.padEnd(width)} ${right} of ${of}\n`)
