/** Exact-match accuracy of n sampled answers on the held-out questions, by the engine: the numbers that every miner computes. */
import { setImmediate } from 'node:timers/promises'
import type { UnitEngine } from '@nacre/engine'
import { decodingSeed, meanLogProbability } from '@nacre/gateway'
import { logitsOf, type Tokenizer, type UnitTask } from '@nacre/protocol'
import {
  accuracyOf,
  differenceInterval,
  type Interval,
  RULES,
  type Rule,
  type Sampled,
  shareInterval,
} from './statistics.ts'

export interface Question {
  readonly prompt: string
  readonly answer: string
}
export type Tasks = Readonly<Record<string, readonly Question[]>>

export const COUNTS = [1, 3, 5, 9] as const
const SAMPLES: number = Math.max(...COUNTS)

export interface AccuracyRow {
  readonly temperature: number
  /** A task, or a group of them. */
  readonly task: string
  readonly questions: number
  readonly greedy: Interval
  readonly byRule: Readonly<Record<Rule, readonly Interval[]>>
  /** With the most samples, over one sample and over greedy, in the same questions. */
  readonly gain: Readonly<Record<'majority' | 'score', { readonly overOne: Interval; readonly overGreedy: Interval }>>
}

export interface AnsweringModel {
  readonly engine: UnitEngine
  readonly tokenizer: Tokenizer
}

/** The task that the gateway posts for a question: a completion with this seed and sample number. */
export function taskOf(
  { engine, tokenizer }: AnsweringModel,
  question: Question,
  temperatureMilli: number,
  seed: number,
  sample: number,
): UnitTask {
  const { bosToken, maxSeqLen } = engine.model.config
  const promptTokens = [bosToken, ...tokenizer.encode(question.prompt)]
  const maxNewTokens = Math.min(MAX_NEW_TOKENS, maxSeqLen - promptTokens.length + 1)
  return {
    promptTokens,
    maxNewTokens,
    decoding: { temperatureMilli, seed: decodingSeed(seed, 0, sample), stopAtEos: true },
  }
}

/** As long as the network's jobs may be; the longest right answer has 62 tokens. */
export const MAX_NEW_TOKENS = 64

export function sampleOf({ engine, tokenizer }: AnsweringModel, task: UnitTask): Sampled {
  const { dModel, nLayers } = engine.model.config
  const trace = engine.generate(task)
  const prompt = task.promptTokens.length
  const tokens = [...trace.tokens.subarray(prompt)]
  const rows = trace.h[nLayers]!
  const score = meanLogProbability(tokens, (i) =>
    logitsOf(engine.model, rows.subarray((prompt - 1 + i) * dModel, (prompt + i) * dModel)),
  )
  return { text: tokenizer.decode(tokens, true), score }
}

interface Asked {
  readonly task: string
  readonly greedy: number
  readonly byRule: Readonly<Record<Rule, readonly number[]>>
}

/** All questions at one temperature. `onQuestion` hears of each. Rejects with the signal's reason. */
export async function askAll(
  model: AnsweringModel,
  tasks: Tasks,
  temperature: number,
  onQuestion: () => void,
  signal: AbortSignal,
): Promise<readonly AccuracyRow[]> {
  const asked: Asked[] = []
  for (const [task, questions] of Object.entries(tasks)) {
    for (const [index, question] of questions.entries()) {
      await setImmediate(undefined, { signal })
      asked.push(askOne(model, task, question, index, Math.round(1000 * temperature)))
      onQuestion()
    }
  }
  const isProduct = (task: string): boolean => task.startsWith('product')
  const groups: readonly [string, readonly Asked[]][] = [
    ['all tasks', asked],
    ['products', asked.filter(({ task }) => isProduct(task))],
    ['all but products', asked.filter(({ task }) => !isProduct(task))],
    ...Object.keys(tasks).map((task): [string, readonly Asked[]] => [task, asked.filter((each) => each.task === task)]),
  ]
  return groups.filter(([, of]) => of.length > 0).map(([task, of]) => rowOf(temperature, task, of))
}

function askOne(
  model: AnsweringModel,
  task: string,
  question: Question,
  seed: number,
  temperatureMilli: number,
): Asked {
  const { answer } = question
  const sample = (milli: number, number: number) => sampleOf(model, taskOf(model, question, milli, seed, number))
  const samples = Array.from({ length: SAMPLES }, (_, number) => sample(temperatureMilli, number))
  const values = (rule: Rule): number[] => COUNTS.map((n) => accuracyOf(samples, answer, n, rule))
  const byRule = { majority: values('majority'), score: values('score'), any: values('any') }
  return { task, greedy: sample(0, 0).text === answer ? 1 : 0, byRule }
}

function rowOf(temperature: number, task: string, asked: readonly Asked[]): AccuracyRow {
  const at = (rule: Rule, column: number): number[] => asked.map(({ byRule }) => byRule[rule][column]!)
  const last = COUNTS.length - 1
  const greedy = asked.map((each) => each.greedy)
  const gain = (rule: Rule) => ({
    overOne: differenceInterval(at(rule, last), at(rule, 0)),
    overGreedy: differenceInterval(at(rule, last), greedy),
  })
  const columns = (rule: Rule): Interval[] => COUNTS.map((_, column) => shareInterval(at(rule, column)))
  return {
    ...{ temperature, task, questions: asked.length, greedy: shareInterval(greedy) },
    byRule: Object.fromEntries(RULES.map((rule) => [rule, columns(rule)])) as Record<Rule, Interval[]>,
    gain: { majority: gain('majority'), score: gain('score') },
  }
}
