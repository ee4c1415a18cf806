import { check, chooseToken, type UnitTask } from '@nacre/protocol'
import type { FloatModel } from './float-model.ts'
import { FloatSession } from './float-session.ts'
import { pauses } from './pause.ts'

/**
 * All tokens of a task by a float model: the prompt and what follows, ended and chosen as MOD-5 has it, from float logits.
 * Rejects with UNIT_PROMPT or UNIT_SHAPE, or the signal's reason.
 */
export async function generateFloat(model: FloatModel, task: UnitTask, signal?: AbortSignal): Promise<number[]> {
  const { promptTokens, maxNewTokens, decoding } = task
  check(promptTokens.length >= 1, 'UNIT_PROMPT', 'the prompt is empty')
  const positions = promptTokens.length + maxNewTokens - 1
  check(
    positions <= model.config.maxSeqLen,
    'UNIT_SHAPE',
    `${positions} positions, the model has ${model.config.maxSeqLen}`,
  )
  const session = new FloatSession(model, positions)
  const tokens = [...promptTokens]
  const pause = pauses(signal)
  for (let position = 0; position < positions; position++) {
    await pause()
    const logits = session.feed(tokens[position]!)
    if (position < promptTokens.length - 1) continue
    const token = chooseToken(logits, decoding, position)
    tokens.push(token)
    if (decoding.stopAtEos && token === model.config.eosToken) break
  }
  return tokens
}

/**
 * Texts that a model makes up from BOS on at temperature 1, each until its end or the model's last position: `count` tokens in
 * all, the same every time. Of all models, this one predicts them best, so a change of it shows.
 */
export async function sampleTexts(model: FloatModel, count: number, signal?: AbortSignal): Promise<number[][]> {
  const { bosToken, eosToken, maxSeqLen } = model.config
  const texts: number[][] = []
  for (let left = count; left > 0; ) {
    const seed = new Uint8Array(32)
    new DataView(seed.buffer).setUint32(0, texts.length, true)
    const maxNewTokens = Math.min(left, maxSeqLen)
    const decoding = { temperatureMilli: 1000, seed, stopAtEos: true }
    const all = await generateFloat(model, { promptTokens: [bosToken], maxNewTokens, decoding }, signal)
    const tokens = all.slice(1)
    // Models without an end of sequence begin the next text instead.
    const end = tokens.findIndex((token) => token === bosToken || token === eosToken)
    texts.push(end < 0 ? tokens : tokens.slice(0, end + 1))
    left -= texts.at(-1)!.length
  }
  return texts
}
