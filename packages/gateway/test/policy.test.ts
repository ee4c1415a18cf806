/** From a name to a model and a bid: tiers, prices, fallbacks, and policies that are wrong. */
import { byteTokenizer, type Params, presets, syntheticModel, UNIT_MODEL_DIMS } from '@nacre/protocol'
import { describe, expect, it } from 'vitest'
import { defaultPolicy, type GatewayModel, type MarketQuote, type Policy, parsePolicy } from '../src/index.ts'
import { bidFor } from '../src/openai/market.ts'
import type { GenerationRequest } from '../src/openai/request.ts'
import { routesFor } from '../src/openai/route.ts'
import { ASK, hex } from './support.ts'

const params: Params = presets.unit
const modelNamed = (name: string, ffnDim: number, maxSeqLen = 64): GatewayModel => ({
  name,
  modelId: hex(name.charCodeAt(0)),
  model: syntheticModel({ name, dims: { ...UNIT_MODEL_DIMS, ffnDim, maxSeqLen }, seed: name, tiedHead: true }),
  tokenizer: byteTokenizer,
})
const [a, b, c] = [modelNamed('a', 64), modelNamed('b', 128), modelNamed('c', 32, 16)] as const
const models = [a, b, c]

const request = (change: Partial<GenerationRequest> = {}): GenerationRequest => ({
  ...{ endpoint: 'chat', model: 'tier', prompts: [{ tokens: [1, 2, 3] }], maxNewTokens: 4 },
  ...{ maxNewTokensParam: 'max_tokens', temperatureMilli: 0, seed: undefined, n: 1, samples: 1, select: 'all' },
  ...{ stop: [], isStream: false, includeUsage: false, ...change },
})

const asksOf = (prices: Readonly<Record<string, number>>) => ({
  quote: async (modelId: string): Promise<MarketQuote> => {
    const price = prices[models.find((each) => each.modelId === modelId)!.name]
    return { asks: price === undefined ? [] : [{ ...ASK, priceGrains: BigInt(price) }], referenceGrains: 0n }
  },
})

const policy = (json: object): Policy => parsePolicy(JSON.stringify({ version: 1, ...json }), models, 'policy.json')
const TIER = policy({ aliases: { tier: { models: ['a', 'b'], fallbacks: ['other'] }, other: { models: ['c'] } } })
const namesFor = async (prices: Readonly<Record<string, number>>, change: Partial<GenerationRequest> = {}, of = TIER) =>
  (await routesFor({ params, models, policy: of, market: asksOf(prices) }, request(change))).map(({ at }) => at.name)

describe('routing', () => {
  it('takes the model whose request costs least, then the others of the tier, then fallbacks', async () => {
    expect(await namesFor({ a: 50_000_000, b: 60_000_000, c: 1 })).toEqual(['a', 'b', 'c'])
    expect(await namesFor({ a: 60_000_000, b: 10_000_000, c: 1 })).toEqual(['b', 'a', 'c'])
  })

  it('leaves out models without an ask, above the highest price, or too short for the prompt', async () => {
    expect(await namesFor({ b: 60_000_000 })).toEqual(['b'])
    expect(await namesFor({ a: 100_000_001, b: 60_000_000 })).toEqual(['b'])
    const long = { prompts: [{ tokens: Array(20).fill(1) }] }
    expect(await namesFor({ a: 1000, c: 1 }, long)).toEqual(['a'])
    await expect(namesFor({ c: 1 }, { ...long, model: 'other' })).rejects.toMatchObject({ status: 400 })
    await expect(namesFor({}, long)).rejects.toMatchObject({ status: 503, code: 'no_miner' })
  })

  it('knows models by name and id too, and nothing else', async () => {
    expect(await namesFor({ c: 5 }, { model: 'c' })).toEqual(['c'])
    expect(await namesFor({ c: 5 }, { model: c.modelId })).toEqual(['c'])
    await expect(namesFor({ c: 5 }, { model: 'C' })).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
  })

  it('follows fallbacks once, also in a circle', async () => {
    const circle = policy({
      aliases: { x: { models: ['a'], fallbacks: ['y'] }, y: { models: ['b'], fallbacks: ['x', 'c'] } },
    })
    expect(await namesFor({ a: 1, b: 1, c: 1 }, { model: 'x' }, circle)).toEqual(['a', 'b', 'c'])
  })

  it('applies the limits of the name that was asked for to its fallbacks', async () => {
    const cheap = policy({
      aliases: { x: { models: ['a'], fallbacks: ['y'], maxPriceGrains: '10' }, y: { models: ['b'] } },
    })
    await expect(namesFor({ a: 11, b: 11 }, { model: 'x' }, cheap)).rejects.toMatchObject({ code: 'no_miner' })
    expect(await namesFor({ a: 11, b: 11 }, { model: 'y' }, cheap)).toEqual(['b'])
  })
})

describe('bids', () => {
  const asks = [30n, 10n, 20n].map((priceGrains) => ({ ...ASK, priceGrains, roomMacs: 100n }))
  const bid = (macs: bigint, jobs: number, maxPriceGrains = 1000n, referenceGrains = 0n): bigint | undefined =>
    bidFor({ asks, referenceGrains }, { macs, jobs, maxPriceGrains, marginPercent: 20 })
  it('reach the asks whose room is needed, or as many as there are jobs, and a margin', () => {
    expect(bid(100n, 1)).toBe(12n)
    expect(bid(101n, 1)).toBe(24n)
    expect(bid(1n, 3)).toBe(36n)
    expect(bid(10_000n, 50)).toBe(36n)
  })
  it('never exceed the highest price, and need an ask below it', () => {
    expect(bid(100n, 1, 11n)).toBe(11n)
    expect(bid(1n, 3, 20n)).toBe(20n)
    expect(bid(1n, 1, 9n)).toBeUndefined()
    expect(
      bidFor({ asks: [], referenceGrains: 5n }, { macs: 1n, jobs: 1, maxPriceGrains: 9n, marginPercent: 0 }),
    ).toBeUndefined()
  })
  it('are no lower than the reference price, unless that exceeds the highest price', () => {
    expect(bid(100n, 1, 1000n, 11n)).toBe(12n)
    expect(bid(100n, 1, 1000n, 50n)).toBe(50n)
    expect(bid(100n, 1, 40n, 50n)).toBe(40n)
  })
  it('do not count asks without room', () => {
    const full = [{ ...ASK, priceGrains: 1n, roomMacs: 0n }]
    expect(
      bidFor({ asks: full, referenceGrains: 0n }, { macs: 1n, jobs: 1, maxPriceGrains: 9n, marginPercent: 0 }),
    ).toBeUndefined()
  })
})

describe('policies', () => {
  it('built in: both tiers are the only model, or the halves by size, the smaller falling back to the larger', () => {
    const one = defaultPolicy([a])
    expect([...one.aliases].map(([name, { models: of }]) => [name, of])).toEqual([
      ['small', ['a']],
      ['large', ['a']],
    ])
    const two = defaultPolicy([b, c])
    expect(two.aliases.get('small')).toMatchObject({ models: ['c'], fallbacks: ['large'] })
    expect(two.aliases.get('large')).toMatchObject({ models: ['b'], fallbacks: [] })
  })

  it('a file sets limits, margin, and modes', () => {
    const read = policy({
      ...{ maxPriceGrains: '7', maxRequestGrains: '9', marginPercent: 0 },
      aliases: { x: { models: ['a'], verify: 'full', maxRequestGrains: '5' } },
    })
    expect(read).toMatchObject({ maxPriceGrains: 7n, maxRequestGrains: 9n, marginPercent: 0 })
    expect(read.aliases.get('x')).toEqual({
      ...{ models: ['a'], fallbacks: [], verify: 'full', maxPriceGrains: 7n, maxRequestGrains: 5n },
    })
  })

  const wrong: readonly [string, string, string][] = [
    ['no JSON', '{', 'the policy policy.json is wrong'],
    ['another version', '{"version":2}', '"version" must be 1'],
    ['a field that there is not', '{"version":1,"alias":{}}', '"alias" is not known'],
    ['no aliases', '{"version":1,"aliases":{}}', '"aliases" must have 1 to 64 names'],
    ['a list of aliases', '{"version":1,"aliases":["a"]}', '"aliases"'],
    ['a number of aliases', '{"version":1,"aliases":5}', '"aliases"'],
    ['no models', '{"version":1,"aliases":{"x":{}}}', '"aliases.x.models" must name a model'],
    ['a model that there is not', '{"version":1,"aliases":{"x":{"models":["gpt"]}}}', 'this network has a, b, c'],
    [
      'a fallback to nothing',
      '{"version":1,"aliases":{"x":{"models":["a"],"fallbacks":["y"]}}}',
      'no alias and no model',
    ],
    ['the name of a model', '{"version":1,"aliases":{"a":{"models":["b"]}}}', 'has the name of a model'],
    ['a price as a number', '{"version":1,"maxPriceGrains":5}', '"maxPriceGrains" must be whole grains'],
    ['a price of nothing', '{"version":1,"maxPriceGrains":"0"}', '"maxPriceGrains" must be whole grains'],
    ['a mode that there is not', '{"version":1,"aliases":{"x":{"models":["a"],"verify":"no"}}}', '"aliases.x.verify"'],
  ]
  it.each(wrong)('is refused with %s', (_, text, message) => {
    expect(() => parsePolicy(text, models, 'policy.json')).toThrow(message)
  })
})
