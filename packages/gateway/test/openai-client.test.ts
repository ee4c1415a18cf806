/** A stock `openai` client against the gateway: bodies, streams, choices, receipts. */
import { encodeByteText, hexToBytes, syntheticModel, UNIT_MODEL_DIMS } from '@nacre/protocol'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultPolicy, type GatewayModel, JobError } from '../src/index.ts'
import { ASK, closeAll, hex, models, params, realAnswer, testGateway } from './support.ts'

afterEach(closeAll)

const { bosToken, eosToken } = models[0]!.model.config
const QUESTION = { model: 'small', messages: [{ role: 'user' as const, content: '12+34=' }] }

describe('models', () => {
  it('lists aliases and registered models, and shows one by name or id', async () => {
    const { openai } = await testGateway()
    const ids: string[] = []
    for await (const { id, object } of openai.models.list()) ids.push(`${object} ${id}`)
    expect(ids).toEqual(['model small', 'model large', 'model unit-model'])
    const found = await openai.models.retrieve('small')
    expect(found).toMatchObject({ id: 'small', object: 'model', owned_by: 'unit' })
    expect(found.created).toBe(params.network.genesisTimeMs / 1000)
    expect((await openai.models.retrieve(models[0]!.modelId)).id).toBe('unit-model')
    await expect(openai.models.retrieve('gpt-4o')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
  })
})

describe('chat completions', () => {
  it('answers a question with text, usage and the receipt in body and header', async () => {
    const { openai, requests } = await testGateway({ script: () => '46' })
    const { data, response } = await openai.chat.completions.create(QUESTION).withResponse()
    expect(data).toMatchObject({
      object: 'chat.completion',
      model: 'unit-model',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: '46', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    })
    expect(data.id).toMatch(/^chatcmpl-[0-9a-f]{24}$/)
    const receipt = {
      job_id: hex(1),
      miner_key: hex(0xa0),
      rank: 0,
      trace_root: hex(0xcc),
      unit_parent_id: hex(0xdd),
      receipt_id: hex(0xee),
      receipt_height: null,
      price_grains_per_gmac: '1000000',
      verification: 'unchecked',
      audited: false,
    }
    expect(JSON.parse(response.headers.get('x-nacre-receipt')!)).toMatchObject([receipt])
    const { nacre } = data as unknown as { nacre: Record<string, unknown> }
    expect(nacre).toMatchObject({ audited: false, miners: 1, failed: [], jobs: [{ choice: 0, ...receipt }] })
    const { request } = requests[0]!
    expect(request.promptTokens).toEqual([bosToken, ...encodeByteText('12+34=')])
    expect(request.decoding).toMatchObject({ temperatureMilli: 0, stopAtEos: true })
    // The one ask and a fifth above it.
    expect(request.maxPriceGrains).toBe((ASK.priceGrains * 6n) / 5n)
    expect(request.maxNewTokens).toBe(params.units.maxNewTokens)
  })

  it('concatenates the turns as the models were trained: system, question, answer, end, next question', async () => {
    const { openai, requests } = await testGateway()
    await openai.chat.completions.create({
      model: 'small',
      max_completion_tokens: 4,
      messages: [
        { role: 'system', content: 'a' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'b' },
            { type: 'text', text: 'c' },
          ],
        },
        { role: 'assistant', content: 'd' },
        { role: 'user', content: 'e' },
      ],
    })
    const text = encodeByteText('abcde')
    expect(requests[0]!.request.promptTokens).toEqual([
      bosToken,
      ...text.slice(0, 4),
      eosToken,
      bosToken,
      ...text.slice(4),
    ])
    expect(requests[0]!.request.maxNewTokens).toBe(4)
  })

  it('streams the exact chunks: role, text, reason, usage, [DONE]', async () => {
    const { openai, post } = await testGateway({ script: () => 'ab' })
    const stream = await openai.chat.completions.create({
      ...QUESTION,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map(({ choices, usage }) => ({ choices, usage }))).toEqual([
      {
        choices: [
          { index: 0, delta: { role: 'assistant', content: '', refusal: null }, logprobs: null, finish_reason: null },
        ],
        usage: null,
      },
      { choices: [{ index: 0, delta: { content: 'ab' }, logprobs: null, finish_reason: null }], usage: null },
      { choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }], usage: null },
      { choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } },
    ])
    expect(new Set(chunks.map(({ object }) => object))).toEqual(new Set(['chat.completion.chunk']))
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(chunks.at(-1)).toMatchObject({ nacre: { jobs: [{ job_id: hex(1), audited: false }] } })

    const raw = await post('/v1/chat/completions', { ...QUESTION, stream: true })
    expect(raw.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(JSON.parse(raw.headers.get('x-nacre-receipt')!)).toMatchObject([{ job_id: hex(2) }])
    const text = await raw.text()
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!))
    expect(events).toHaveLength(3)
    expect(events[0]).not.toHaveProperty('usage')
    expect(events[2]).toMatchObject({ choices: [{ finish_reason: 'stop' }], nacre: { miners: 1 } })
  })

  it('serves the helpers that a stock client builds on streams', async () => {
    const { openai } = await testGateway({ script: () => 'ab' })
    const runner = openai.chat.completions.stream({ ...QUESTION, n: 2 })
    expect(await runner.finalContent()).toBe('ab')
    expect((await runner.finalChatCompletion()).choices).toHaveLength(2)
  })

  it('streams each choice as soon as its job is answered', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { openai } = await testGateway({
      script: async (_, index) => {
        if (index === 0) await held
        return `text ${index}`
      },
    })
    const stream = await openai.chat.completions.create({ ...QUESTION, n: 2, temperature: 1, stream: true })
    const texts: string[] = []
    for await (const { choices } of stream) {
      const [choice] = choices
      if (choice?.delta.content) texts.push(`${choice.index}: ${choice.delta.content}`)
      release()
    }
    expect(texts).toEqual(['1: text 1', '0: text 0'])
  })

  it('answers a failure before the first answer with its status, and a later one as an error of the stream', async () => {
    const script = () => new Promise<never>(() => undefined)
    const read = async (openai: OpenAI): Promise<number> => {
      let chunks = 0
      for await (const _ of await openai.chat.completions.create({ ...QUESTION, stream: true })) chunks++
      return chunks
    }
    const early = await testGateway({ script, deadlineMs: 200 })
    await expect(read(early.openai)).rejects.toMatchObject({ status: 504, code: 'deadline_exceeded' })
    const late = await testGateway({ script, deadlineMs: 300, streamOpenMs: 50 })
    const { status } = await late.post('/v1/chat/completions', { ...QUESTION, stream: true })
    expect(status).toBe(200)
    await expect(read(late.openai)).rejects.toSatisfy(
      (error) => error instanceof OpenAI.APIError && error.status === undefined && error.code === 'deadline_exceeded',
    )
  })

  it('streams the choice that is made from all answers', async () => {
    const { openai } = await testGateway({ script: (_, index) => ['x', 'y', 'y'][index]! })
    const extension: object = { nacre: { select: 'majority' } }
    const stream = await openai.chat.completions.create({
      ...QUESTION,
      ...extension,
      n: 3,
      temperature: 1,
      stream: true,
    })
    let text = ''
    for await (const { choices } of stream) text += choices[0]!.delta.content ?? ''
    expect(text).toBe('y')
  })
})

describe('completions', () => {
  it('takes text, tokens and several prompts, with 16 tokens as OpenAI has it', async () => {
    const { openai, requests } = await testGateway({ script: (_, index) => `t${index}` })
    const one = await openai.completions.create({ model: 'unit-model', prompt: 'ab' })
    expect(one).toMatchObject({
      object: 'text_completion',
      choices: [{ text: 't0', index: 0, finish_reason: 'stop', logprobs: null }],
    })
    expect(one.id).toMatch(/^cmpl-/)
    expect(requests[0]!.request.maxNewTokens).toBe(16)
    await openai.completions.create({ model: 'unit-model', prompt: [1, 2, 3] })
    expect(requests[1]!.request.promptTokens).toEqual([1, 2, 3])
    const many = await openai.completions.create({ model: 'unit-model', prompt: ['a', 'b'], n: 2, temperature: 1 })
    expect(many.choices.map(({ index, text }) => `${index} ${text}`)).toEqual(['0 t2', '1 t3', '2 t4', '3 t5'])
    expect(many.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 12 })
  })

  it('streams text', async () => {
    const { openai } = await testGateway({ script: () => 'ab' })
    const stream = await openai.completions.create({ model: 'small', prompt: 'x', stream: true })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map(({ object, choices }) => ({ object, choices }))).toEqual([
      {
        object: 'text_completion',
        choices: [{ text: 'ab', index: 0, logprobs: null, finish_reason: null }],
      },
      { object: 'text_completion', choices: [{ text: '', index: 0, logprobs: null, finish_reason: 'stop' }] },
    ])
  })

  it('cuts at the first stop text, says so, and counts what was generated', async () => {
    const { openai } = await testGateway({ script: () => 'one, two; three' })
    const { choices, usage } = await openai.completions.create({ model: 'small', prompt: 'x', stop: [';', ','] })
    expect(choices[0]).toMatchObject({ text: 'one', finish_reason: 'stop' })
    expect(usage!.completion_tokens).toBe('one, two; three'.length + 1)
  })

  it('says "length" where the tokens ran out', async () => {
    const { openai } = await testGateway({ script: () => ({ tokens: encodeByteText('ab') }) })
    const { choices } = await openai.completions.create({ model: 'small', prompt: 'x', max_tokens: 2 })
    expect(choices[0]).toMatchObject({ text: 'ab', finish_reason: 'length' })
  })
})

describe('seeds', () => {
  it('derives the same seeds from the same seed, another one for each sample, and random ones without', async () => {
    const { openai, requests } = await testGateway()
    const ask = (seed?: number) =>
      openai.chat.completions.create({ ...QUESTION, n: 2, temperature: 0.7, ...(seed === undefined ? {} : { seed }) })
    await ask(5)
    await ask(5)
    await ask(6)
    await ask()
    await ask()
    const seeds = requests.map(({ request }) => Buffer.from(request.decoding.seed).toString('hex'))
    expect(seeds.slice(2, 4)).toEqual(seeds.slice(0, 2))
    expect(new Set(seeds).size).toBe(8)
    expect(requests[0]!.request.decoding.temperatureMilli).toBe(700)
  })
})

describe('several jobs for one question', () => {
  const extended = (nacre: object): typeof QUESTION => ({ ...QUESTION, ...({ nacre } as object) })

  it('returns the majority of exact texts, with its votes, and charges all', async () => {
    const { openai } = await testGateway({ script: (_, index) => ['x', 'y', 'y', 'z', 'y'][index]! })
    const answer = await openai.chat.completions.create({
      ...extended({ select: 'majority' }),
      n: 5,
      temperature: 1,
    })
    expect(answer.choices.map(({ message }) => message.content)).toEqual(['y'])
    const { nacre } = answer as unknown as {
      nacre: { miners: number; jobs: { votes?: number; choice: number | null }[] }
    }
    expect(nacre.miners).toBe(3)
    expect(nacre.jobs.map(({ choice, votes }) => [choice, votes])).toEqual([
      [null, undefined],
      [0, 3],
      [null, undefined],
      [null, undefined],
      [null, undefined],
    ])
    expect(answer.usage!.completion_tokens).toBe(10)
  })

  it('returns the n likeliest of best_of, scored by the model, and verified by that', async () => {
    const { openai, requests } = await testGateway({ script: realAnswer })
    const { choices, ...rest } = await openai.completions.create({
      ...{ model: 'small', prompt: 'ab', n: 2, best_of: 4, temperature: 1, seed: 1, max_tokens: 6 },
    })
    const { jobs } = (
      rest as unknown as { nacre: { jobs: { choice: number | null; mean_logprob: number; verification: string }[] } }
    ).nacre
    expect(requests).toHaveLength(4)
    expect(choices).toHaveLength(2)
    const scores = jobs.map(({ mean_logprob }) => mean_logprob)
    expect(new Set(scores).size).toBe(4)
    const sorted = [...scores].sort((a, b) => b - a)
    expect(jobs.find(({ choice }) => choice === 0)!.mean_logprob).toBe(sorted[0])
    expect(jobs.find(({ choice }) => choice === 1)!.mean_logprob).toBe(sorted[1])
    expect(jobs.every(({ verification }) => verification === 'verified')).toBe(true)
  })

  it('loses an answer that is not the model’s when it scores', async () => {
    const { openai } = await testGateway({
      script: (request, index) =>
        index === 0 ? { ...realAnswer(request, index), traceRoot: hex(9) } : realAnswer(request, index),
    })
    const answer = await openai.completions.create({
      ...{ model: 'small', prompt: 'ab', n: 2, temperature: 1, ...({ nacre: { select: 'best' } } as object) },
    })
    const { nacre } = answer as unknown as { nacre: { failed: object[]; jobs: object[] } }
    expect(nacre.failed).toMatchObject([{ code: 'answer_false', job_id: hex(1) }])
    expect(nacre.jobs).toHaveLength(1)
    expect(answer.choices).toHaveLength(1)
  })

  it('uses what answered where some jobs failed, and says which did not', async () => {
    const { openai } = await testGateway({
      script: (_, index) => (index === 1 ? new JobError('NO_MINER', 'nobody delivered', { jobId: hex(2) }) : 'x'),
    })
    const answer = await openai.chat.completions.create({ ...QUESTION, n: 3, temperature: 1 })
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1])
    expect(answer).toMatchObject({ nacre: { failed: [{ code: 'no_miner', job_id: hex(2) }] } })
  })

  it('bids high enough to reach as many miners as there are jobs', async () => {
    const asks = [1n, 2n, 3n].map((i) => ({ ...ASK, priceGrains: i * 1_000_000n }))
    const { openai, requests } = await testGateway({ asks })
    await openai.chat.completions.create(QUESTION)
    expect(requests.at(-1)!.request.maxPriceGrains).toBe(1_200_000n)
    await openai.chat.completions.create({ ...QUESTION, n: 2, temperature: 1 })
    expect(requests.at(-1)!.request.maxPriceGrains).toBe(2_400_000n)
  })
})

describe('a model that nobody takes', () => {
  const other: GatewayModel = {
    ...{ name: 'other', modelId: hex(0x77), tokenizer: models[0]!.tokenizer },
    model: syntheticModel({ name: 'other', dims: { ...UNIT_MODEL_DIMS, ffnDim: 128 }, seed: 'o', tiedHead: true }),
  }
  const both = [models[0]!, other]
  const options = { models: both, policy: defaultPolicy(both) }

  it('gives way to the next of the alias, and the answer names that', async () => {
    const { openai, requests } = await testGateway({
      ...options,
      script: ({ modelId }) => (modelId === other.modelId ? 'ok' : new JobError('NO_MINER', 'nobody delivered')),
    })
    const answer = await openai.chat.completions.create({ ...QUESTION, n: 2, temperature: 1 })
    expect(answer.model).toBe('other')
    expect(answer.choices.map(({ message }) => message.content)).toEqual(['ok', 'ok'])
    expect(requests.map(({ request }) => request.modelId)).toEqual([
      ...[models[0]!.modelId, models[0]!.modelId],
      ...[other.modelId, other.modelId],
    ])
    const chunks = []
    for await (const chunk of await openai.chat.completions.create({ ...QUESTION, stream: true })) chunks.push(chunk)
    expect(new Set(chunks.map(({ model }) => model))).toEqual(new Set(['other']))
  })

  it('is not left while one of its jobs answers, or fails for another reason', async () => {
    const partly = await testGateway({
      ...options,
      script: (_, index) => (index === 0 ? new JobError('NO_MINER', 'nobody') : 'ok'),
    })
    expect((await partly.openai.chat.completions.create({ ...QUESTION, n: 2, temperature: 1 })).model).toBe(
      'unit-model',
    )
    const wrong = await testGateway({ ...options, script: () => new JobError('ANSWER_FALSE', 'false') })
    await expect(wrong.openai.chat.completions.create(QUESTION)).rejects.toMatchObject({ code: 'answer_false' })
    expect(wrong.requests).toHaveLength(1)
  })
})

describe('Idempotency-Key', () => {
  it('gives a second request the jobs of the first, and refuses another body', async () => {
    const { post, requests } = await testGateway({ script: (_, index) => `t${index}` })
    const headers = { 'idempotency-key': 'k1' }
    const body = { model: 'small', prompt: 'x' }
    const textOf = async (response: Response): Promise<string> =>
      ((await response.json()) as { choices: { text: string }[] }).choices[0]!.text
    const texts = await Promise.all([0, 1, 2].map(async () => textOf(await post('/v1/completions', body, headers))))
    expect(texts).toEqual(['t0', 't0', 't0'])
    expect(requests).toHaveLength(1)
    const other = await post('/v1/completions', { ...body, prompt: 'y' }, headers)
    expect(other.status).toBe(400)
    expect(await other.json()).toMatchObject({ error: { code: 'idempotency_key_reused' } })
    await post('/v1/completions', body, { 'idempotency-key': 'k2' })
    expect(requests).toHaveLength(2)
  })

  it('forgets a request that nobody answered', async () => {
    const { post, requests } = await testGateway({
      script: (_, index) => (index === 0 ? new JobError('NO_MINER', 'nobody') : 'ok'),
    })
    const headers = { 'idempotency-key': 'k1' }
    const body = { model: 'small', prompt: 'x' }
    expect((await post('/v1/completions', body, headers)).status).toBe(503)
    expect((await post('/v1/completions', body, headers)).status).toBe(200)
    expect(requests).toHaveLength(2)
  })
})

it('seeds of receipts are those of the jobs', async () => {
  const { openai, requests } = await testGateway()
  const answer = await openai.chat.completions.create({ ...QUESTION, temperature: 1 })
  const [job] = (answer as unknown as { nacre: { jobs: { seed: string }[] } }).nacre.jobs
  expect(hexToBytes(job!.seed)).toEqual(requests[0]!.request.decoding.seed)
})
