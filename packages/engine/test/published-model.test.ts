/** The model in `models/` is the one that presets register, and it answers as well as its report says. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  BYTE_BOS,
  BYTE_EOS,
  bytesToHex,
  createContext,
  decodeByteTokens,
  encodeByteText,
  executeUnit,
  presets,
} from '@nacre/protocol'
import { expect, test } from 'vitest'
import { createFastHash, createKernels, createUnitEngine, loadCorpus, loadModel } from '../src/index.ts'

const folder = fileURLToPath(new URL('../../../models/nacre-small/', import.meta.url))
const hash = await createFastHash()
const model = await loadModel(`${folder}model.safetensors`, hash)
const corpus = await loadCorpus(`${folder}corpus.json`)
const engine = createUnitEngine({ model, kernels: await createKernels(), hash })

test.each(['nacre', 'devnet'] as const)('preset %s registers this file and this corpus (B2, UNT-3)', (name) => {
  const context = createContext(presets[name], model, corpus.prompts)
  expect(context.bootstrap.params.modelId).toBe(bytesToHex(model.modelId))
})

const { tasks } = JSON.parse(readFileSync(`${folder}eval.json`, 'utf8')) as {
  tasks: Record<string, { prompt: string; answer: string }[]>
}
const taskOf = (prompt: string) => ({
  promptTokens: [BYTE_BOS, ...encodeByteText(prompt)],
  maxNewTokens: 80,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
})

const { accuracy } = JSON.parse(readFileSync(`${folder}report.json`, 'utf8')) as {
  accuracy: { heldOut: { int8: Record<string, { right: number; of: number }> } }
}
// The report's figures come from a simulation of the rounding: its sums may differ in the last bit, which decides near ties.
const NEAR_TIES = 2

test.each(Object.entries(tasks))('held-out questions: %s, as many right as reported', (name, questions) => {
  const right = questions.filter(({ prompt, answer }) => {
    const task = taskOf(prompt)
    const generated = [...engine.generate(task).tokens.subarray(task.promptTokens.length)]
    return decodeByteTokens(generated.filter((token) => token !== BYTE_EOS)) === answer
  })
  const reported = accuracy.heldOut.int8[name]
  expect(reported?.of).toBe(questions.length)
  expect(Math.abs(right.length - (reported?.right ?? 0))).toBeLessThanOrEqual(NEAR_TIES)
})

test('the engine and the reference agree on the published model, token by token and row by row (MOD-6)', () => {
  const task = taskOf('12+34=')
  const [fast, reference] = [engine.generate(task), executeUnit(model, task)]
  expect(fast.tokens).toEqual(reference.tokens)
  expect(fast.h.map((rows) => [...rows])).toEqual(reference.h.map((rows) => [...rows]))
})
