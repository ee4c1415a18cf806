/** What the demand of a local network asks: the held-out questions of our model, which have right answers. */
import { existsSync, readFileSync } from 'node:fs'
import { encodeByteText } from '@nacre/protocol'

export interface Question {
  readonly prompt: string
  readonly answer: string
  /** What a client who knows the kind of question, but not the answer, asks for: the longest answer of its task, and the end. */
  readonly maxNewTokens: number
}

/** Byte tokens 0 to 255, then begin and end of a sequence (MOD-7). */
const BOS = 256
const EOS = 257

const fileIn = (modelFolder: string): string => `${modelFolder}eval.json`

export const hasQuestions = (modelFolder: string): boolean => existsSync(fileIn(modelFolder))

/** @param modelFolder as `models/nacre-small/`. Throws what reading the file throws. */
export function heldOutQuestions(modelFolder: string): readonly Question[] {
  const { tasks } = JSON.parse(readFileSync(fileIn(modelFolder), 'utf8')) as {
    tasks: Record<string, Omit<Question, 'maxNewTokens'>[]>
  }
  return Object.values(tasks).flatMap((questions) => {
    const maxNewTokens = 1 + Math.max(...questions.map(({ answer }) => encodeByteText(answer).length))
    return questions.map((question) => ({ ...question, maxNewTokens }))
  })
}

/**
 * The tokens of a question behind some answered ones, as the model was trained: at most `maxTokens`, as many examples as fit.
 * A prompt fills whole tiles of the lottery only if it is long enough (WRK-3).
 */
export function promptOf(question: Question, examples: readonly Question[], maxTokens: number): number[] {
  const asked = [BOS, ...encodeByteText(question.prompt)]
  const before: number[] = []
  for (const { prompt, answer } of examples) {
    const example = [BOS, ...encodeByteText(prompt + answer), EOS]
    if (before.length + example.length + asked.length <= maxTokens) before.push(...example)
  }
  return [...before, ...asked]
}
