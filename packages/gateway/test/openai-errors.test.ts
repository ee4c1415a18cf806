/** Every failure as a stock `openai` client sees it: its class, status and code, and whether the library tries again. */
import { RpcError } from '@nacre/node/rpc-client'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultPolicy, JobError, type JobErrorCode } from '../src/index.ts'
import { ASK, closeAll, hex, models, type Script, testGateway } from './support.ts'

afterEach(closeAll)

const QUESTION = { model: 'small', messages: [{ role: 'user' as const, content: '12+34=' }] }

interface Seen {
  readonly name: string
  readonly status: number | undefined
  readonly code: string | null | undefined
  readonly param: string | null | undefined
  readonly type: string | undefined
}

async function failureOf(request: Promise<unknown>): Promise<Seen> {
  try {
    await request
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error
    const { status, code, param, type } = error
    return { name: error.constructor.name, status, code, param, type }
  }
  throw new Error('the request did not fail')
}

describe('requests that are wrong', () => {
  const wrong: readonly [string, object, string | null, string][] = [
    ['no messages', { messages: [] }, 'messages', 'invalid_type'],
    ['a role that there is not', { messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role', 'invalid_value'],
    [
      'an image',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content[0].type',
      'unsupported_parameter',
    ],
    ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools', 'unsupported_parameter'],
    ['log-probabilities', { logprobs: true }, 'logprobs', 'unsupported_parameter'],
    [
      'a schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
      'response_format',
      'unsupported_parameter',
    ],
    ['top_p', { top_p: 0.5 }, 'top_p', 'unsupported_parameter'],
    ['a penalty', { presence_penalty: 1 }, 'presence_penalty', 'unsupported_parameter'],
    ['a bias', { logit_bias: { '5': 1 } }, 'logit_bias', 'unsupported_parameter'],
    ['audio', { modalities: ['text', 'audio'] }, 'modalities', 'unsupported_parameter'],
    ['storing', { store: true }, 'store', 'unsupported_parameter'],
    ['a parameter that nobody knows', { temprature: 1 }, 'temprature', 'unknown_parameter'],
    ['a temperature above 2', { temperature: 2.1 }, 'temperature', 'invalid_value'],
    ['a temperature as text', { temperature: '1' }, 'temperature', 'invalid_value'],
    ['n of 0', { n: 0 }, 'n', 'invalid_value'],
    ['n of 17', { n: 17 }, 'n', 'invalid_value'],
    ['a fraction of a seed', { seed: 1.5 }, 'seed', 'invalid_value'],
    ['five stop texts', { stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'invalid_value'],
    ['an empty stop text', { stop: '' }, 'stop', 'invalid_value'],
    ['stream options without a stream', { stream_options: { include_usage: true } }, 'stream_options', 'invalid_value'],
    ['a selection that there is not', { nacre: { select: 'worst' } }, 'nacre.select', 'invalid_value'],
    ['a field of nacre that there is not', { nacre: { x: 1 } }, 'nacre.x', 'unknown_parameter'],
    ['fewer samples than choices', { n: 3, nacre: { best_of: 2 } }, 'nacre.best_of', 'invalid_value'],
    ['a stream of the best', { stream: true, nacre: { best_of: 2 } }, 'nacre.best_of', 'invalid_value'],
    ['two maxima', { max_tokens: 1, max_completion_tokens: 2 }, 'max_tokens', 'invalid_value'],
    ['no tokens', { max_tokens: 0 }, 'max_tokens', 'invalid_value'],
    ['more tokens than the model gives', { max_tokens: 17 }, 'max_tokens', 'context_length_exceeded'],
    [
      'a prompt that is too long',
      { messages: [{ role: 'user', content: 'x'.repeat(32) }] },
      null,
      'context_length_exceeded',
    ],
  ]
  it.each(wrong)('%s', async (_, change, param, code) => {
    const { openai, requests } = await testGateway()
    const failure = await failureOf(openai.chat.completions.create({ ...QUESTION, ...change } as never))
    expect(failure).toEqual({ name: 'BadRequestError', status: 400, code, param, type: 'invalid_request_error' })
    expect(requests).toHaveLength(0)
  })

  it('takes what asks for nothing, and what is about an account', async () => {
    const { openai } = await testGateway()
    const harmless = {
      ...{ top_p: 1, presence_penalty: 0, frequency_penalty: null, logprobs: false, tools: [], tool_choice: 'none' },
      ...{ response_format: { type: 'text' }, user: 'u', metadata: { a: 'b' }, service_tier: 'auto', store: false },
    }
    const answer = await openai.chat.completions.create({ ...QUESTION, ...harmless } as never)
    expect(answer).toMatchObject({ choices: [{ message: { content: 'ok' } }] })
  })

  const prompts: readonly [string, unknown][] = [
    ['nothing', undefined],
    ['an empty array', []],
    ['an object', {}],
    ['a mixture', ['a', [1]]],
    ['a negative token', [-1]],
    ['17 prompts', Array(17).fill('x')],
  ]
  it.each(prompts)('a prompt of %s', async (_, prompt) => {
    const { openai } = await testGateway()
    const failure = await failureOf(openai.completions.create({ model: 'small', prompt } as never))
    expect(failure).toMatchObject({ status: 400, param: 'prompt' })
  })

  it('a token that the model does not have, and too many jobs', async () => {
    const { openai } = await testGateway()
    expect(await failureOf(openai.completions.create({ model: 'small', prompt: [260] }))).toMatchObject({
      ...{ status: 400, param: 'prompt', code: 'invalid_value' },
    })
    const many = openai.completions.create({ model: 'small', prompt: ['a', 'b', 'c'], n: 6 })
    expect(await failureOf(many)).toMatchObject({ status: 400, param: 'n' })
  })

  it('a model or a path that there is not', async () => {
    const { openai } = await testGateway()
    const model = await failureOf(openai.chat.completions.create({ ...QUESTION, model: 'gpt-4o' }))
    expect(model).toMatchObject({ name: 'NotFoundError', status: 404, code: 'model_not_found', param: 'model' })
    const path = await failureOf(openai.embeddings.create({ model: 'small', input: 'x' }))
    expect(path).toMatchObject({ name: 'NotFoundError', status: 404, code: 'unknown_url' })
  })

  it('a request that costs more than one may', async () => {
    const { openai } = await testGateway({ policy: defaultPolicy(models, { maxRequestGrains: 1100n }) })
    const failure = await failureOf(openai.chat.completions.create({ ...QUESTION, max_tokens: 16 }))
    expect(failure).toMatchObject({ status: 400, code: 'request_too_expensive', param: 'max_tokens' })
  })
})

describe('jobs that fail', () => {
  /** What the library is told, and how often it asks with one retry allowed. */
  const failures: readonly [JobErrorCode, string, number, string, number][] = [
    ['NO_MINER', 'InternalServerError', 503, 'no_miner', 2],
    ['EXPIRED', 'InternalServerError', 503, 'no_miner', 2],
    ['JOB_BOOK_FULL', 'InternalServerError', 503, 'market_full', 2],
    ['BUSY', 'InternalServerError', 503, 'overloaded', 2],
    ['NO_NODE', 'InternalServerError', 503, 'node_unreachable', 2],
    ['WRONG_NETWORK', 'InternalServerError', 503, 'wrong_network', 1],
    ['ANSWER_FALSE', 'InternalServerError', 503, 'answer_false', 2],
    ['CHECK_FAILED', 'InternalServerError', 503, 'verification_failed', 2],
    ['TX_INSUFFICIENT_FUNDS', 'InternalServerError', 503, 'insufficient_funds', 1],
    ['TX_NONCE_LOW', 'InternalServerError', 503, 'tx_nonce_low', 2],
    ['STOPPED', 'InternalServerError', 503, 'shutting_down', 2],
    ['DEADLINE', 'InternalServerError', 504, 'deadline_exceeded', 1],
    ['UNKNOWN_MODEL', 'NotFoundError', 404, 'model_not_found', 1],
    ['PROMPT_TOO_LONG', 'BadRequestError', 400, 'context_length_exceeded', 1],
    ['JOB_PRICE', 'BadRequestError', 400, 'job_price', 1],
  ]
  it.each(failures)('%s', async (jobCode, name, status, code, attempts) => {
    const script: Script = () => new JobError(jobCode, 'as the test says', { jobId: hex(1) })
    const { openai, requests, logs } = await testGateway({ script, maxRetries: 1 })
    expect(await failureOf(openai.chat.completions.create(QUESTION))).toMatchObject({ name, status, code })
    expect(requests).toHaveLength(attempts)
    expect(logs).toEqual([])
  })

  it('a failure of the gateway itself is a 500 that tells nothing, and is logged', async () => {
    const { openai, requests, logs } = await testGateway({ script: () => new Error('secret'), maxRetries: 1 })
    const failure = await failureOf(openai.chat.completions.create(QUESTION))
    expect(failure).toMatchObject({ status: 500, code: 'internal_error' })
    expect(requests).toHaveLength(1)
    expect(JSON.stringify(logs)).toContain('secret')
  })

  it('nobody offers the model, or only above the highest price: 503 with the time of a block', async () => {
    const none = await testGateway({ asks: [] })
    const response = await none.post('/v1/chat/completions', QUESTION)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(response.headers.get('x-should-retry')).toBe('true')
    expect(await response.json()).toMatchObject({
      error: { type: 'service_unavailable_error', code: 'no_miner', param: null },
    })
    const dear = await testGateway({ asks: [{ ...ASK, priceGrains: 100_000_001n }] })
    expect(await failureOf(dear.openai.chat.completions.create(QUESTION))).toMatchObject({ code: 'no_miner' })
    expect(dear.requests).toHaveLength(0)
  })

  it('a market that does not answer in time, or not at all', async () => {
    const slow = await testGateway({ asks: new Promise(() => undefined), deadlineMs: 100 })
    expect(await failureOf(slow.openai.chat.completions.create(QUESTION))).toMatchObject({
      ...{ status: 504, code: 'deadline_exceeded' },
    })
    const silent = Promise.reject(new RpcError('NO_ANSWER', 'nobody there'))
    silent.catch(() => undefined)
    const dead = await testGateway({ asks: silent })
    expect(await failureOf(dead.openai.chat.completions.create(QUESTION))).toMatchObject({
      ...{ status: 503, code: 'node_unreachable' },
    })
  })

  it('no answer before the deadline: by the header, the client’s own timeout, or the default', async () => {
    const never = () => new Promise<never>(() => undefined)
    const { openai } = await testGateway({ script: never, maxRetries: 2 })
    const byHeader = openai.chat.completions.create(QUESTION, { headers: { 'x-nacre-deadline-ms': '50' } })
    expect(await failureOf(byHeader)).toMatchObject({ status: 504, code: 'deadline_exceeded' })
    const startMs = performance.now()
    // Half a second before the client would give up and ask again.
    const byTimeout = openai.chat.completions.create(QUESTION, { timeout: 1000 })
    expect(await failureOf(byTimeout)).toMatchObject({ status: 504 })
    expect(performance.now() - startMs).toBeLessThan(1000)
    const wrong = openai.chat.completions.create(QUESTION, { headers: { 'x-nacre-deadline-ms': '-1' } })
    expect(await failureOf(wrong)).toMatchObject({ status: 400, param: 'x-nacre-deadline-ms' })
  })
})
