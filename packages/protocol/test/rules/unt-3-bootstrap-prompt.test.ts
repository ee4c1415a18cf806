/**
 * UNT-3: a bootstrap unit has one fixed shape and a prompt that only its id chooses, so that a miner can select, reuse or prepare
 * nothing (B1, P6). It ends after the fixed number of tokens, whatever the model generates.
 *
 *   token   0 ............ 15   16 ............................. P-1
 *         | 16 bytes of H(id) | one corpus prompt, repeated or cut  |
 *
 * How evenly prompts are chosen: units.test.ts.
 */
import { expect, test } from 'vitest'
import {
  bootstrapPrompt,
  bootstrapTask,
  createContext,
  executeUnit,
  presets,
  unitCorpus,
  unitId,
  unitModel,
} from '../../src/index.ts'
import { unitModelWithEos } from '../trace-fixture.ts'
import * as one from './one-block.ts'
import { accepted, filled, rejected } from './verbs.ts'

const { unit: params } = presets
const { tokens } = one.block.body

test('16 tokens of the id, then a corpus prompt, repeated and cut to 24 tokens', () => {
  const corpus = [[1001, 1002, 1003]]
  const prompt = bootstrapPrompt(params, filled(1), corpus)
  expect(prompt.slice(16)).toEqual([1001, 1002, 1003, 1001, 1002, 1003, 1001, 1002])
  expect(prompt.slice(0, 16).every((token) => token < 256)).toBe(true)
  expect(bootstrapPrompt(params, filled(1), corpus)).toEqual(prompt)
  expect(bootstrapPrompt(params, filled(2), corpus).slice(0, 16)).not.toEqual(prompt.slice(0, 16))
})

test('the id also chooses which corpus prompt follows', () => {
  const firstOf = (byte: number): number => bootstrapPrompt(params, filled(byte), [[1001], [1002]])[16]!
  expect(new Set(Array.from({ length: 20 }, (_, byte) => firstOf(byte)))).toEqual(new Set([1001, 1002]))
})

test('a block whose tokens begin with another prompt', () => {
  accepted(() => one.validate(one.withTokens(tokens)))
  rejected('UNIT_PROMPT', () => one.validate(one.withTokens(tokens.with(15, tokens[15]! ^ 1))))
  rejected('UNIT_PROMPT', () => one.validate(one.withTokens(tokens.with(23, tokens[23]! ^ 1))))
})

test('a block with a token more or less than the fixed shape', () => {
  rejected('UNIT_SHAPE', () => one.validate(one.withTokens(tokens.slice(0, -1))))
  rejected('UNIT_SHAPE', () => one.validate(one.withTokens([...tokens, 0])))
})

test('only the corpus whose root is in the parameters', () => {
  const corpus = unitCorpus()
  accepted(() => createContext(params, unitModel(), corpus))
  const swapped = [corpus[1]!, corpus[0]!, ...corpus.slice(2)]
  rejected('UNIT_PROMPT', () => createContext(params, unitModel(), swapped))
  rejected('UNIT_PROMPT', () => createContext(params, unitModel(), corpus.slice(1)))
})

test('the counter has 32 bits', () => {
  const { unit, minerKey } = one.block.header
  accepted(() => unitId({ ...unit, counter: 2 ** 32 - 1 }, minerKey))
  rejected('CODEC_MALFORMED', () => unitId({ ...unit, counter: 2 ** 32 }, minerKey))
})

test('end of sequence is ignored', () => {
  const eos = one.trace.tokens[params.units.bootstrapPromptTokens]!
  const stopping = unitModelWithEos(eos)
  const trace = executeUnit(
    stopping,
    bootstrapTask(params, unitId(one.block.header.unit, one.miner.publicKey), unitCorpus()),
  )
  expect([...trace.tokens]).toEqual([...one.trace.tokens])
  expect(trace.tokens).toContain(eos)
})
