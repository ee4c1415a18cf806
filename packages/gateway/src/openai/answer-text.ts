import type { Tokenizer } from '@nacre/protocol'
import type { JobAnswer } from '../jobs/types.ts'

export interface AnswerText {
  readonly text: string
  readonly finishReason: 'stop' | 'length'
}

/** The text of an answer, cut where the first of the stop texts begins: the job itself has been generated and paid to its end. */
export function answerText(tokenizer: Tokenizer, answer: JobAnswer, stop: readonly string[]): AnswerText {
  const text = tokenizer.decode(answer.tokens, true)
  const cuts = stop.map((each) => text.indexOf(each)).filter((at) => at >= 0)
  if (cuts.length === 0) return { text, finishReason: answer.finishReason }
  return { text: text.slice(0, Math.min(...cuts)), finishReason: 'stop' }
}
