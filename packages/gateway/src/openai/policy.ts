/** Which names the API offers, what they stand for, and what a request may cost: from a file, or built in. */
import { macsPerPosition } from '@nacre/protocol'
import type { VerifyMode } from '../jobs/types.ts'
import { ApiError, invalidRequest } from './api-error.ts'
import { GatewayConfigError } from './config-error.ts'
import { Fields } from './fields.ts'
import type { GatewayModel } from './gateway-models.ts'
import { MAX_ALIAS_MODELS, MAX_ALIASES } from './limits.ts'

export const VERIFY_MODES: readonly VerifyMode[] = ['off', 'sampled', 'full']

export interface PriceLimits {
  /** Most grains for 10^9 output MACs that is ever bid. */
  readonly maxPriceGrains: bigint
  /** Most grains that all jobs of one request can cost together, fees of their transactions included. */
  readonly maxRequestGrains: bigint
}

export interface AliasPolicy extends PriceLimits {
  /** Names of models; the cheapest one that fits the request is taken. */
  readonly models: readonly string[]
  /** Names of models or aliases to go on with when none of `models` fits or has a miner. */
  readonly fallbacks: readonly string[]
  /** Undefined: what the gateway was started with. */
  readonly verify: VerifyMode | undefined
}

export interface Policy extends PriceLimits {
  readonly aliases: ReadonlyMap<string, AliasPolicy>
  /** See `BidNeeds`. */
  readonly marginPercent: number
}

/** 1 NCR for 10^9 MACs, and for a request: far above what a test network asks, and a bound on what a lone miner can take. */
const DEFAULT_LIMITS: PriceLimits = { maxPriceGrains: 100_000_000n, maxRequestGrains: 100_000_000n }
const DEFAULT_MARGIN_PERCENT = 20
const MAX_GRAINS = (1n << 63n) - 1n
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$/

/**
 * `small` is the cheaper half of the registered models by MACs per token, `large` the dearer one; with a single model both are that one.
 * `small` falls back to `large`, never the other way: a larger model meets the tier of a smaller one.
 */
export function defaultPolicy(models: readonly GatewayModel[], limits: Partial<PriceLimits> = {}): Policy {
  const bySize = [...models].sort((a, b) => macsPerPosition(a.model.config) - macsPerPosition(b.model.config))
  const names = bySize.map(({ name }) => name)
  const half = Math.ceil(names.length / 2)
  const all = { ...DEFAULT_LIMITS, ...limits }
  const alias = (part: readonly string[], fallbacks: readonly string[]): AliasPolicy => ({
    ...all,
    models: part,
    fallbacks,
    verify: undefined,
  })
  const aliases = new Map([
    ['small', alias(names.slice(0, half), names.length > 1 ? ['large'] : [])],
    ['large', alias(names.slice(names.length - half), [])],
  ])
  return { ...all, aliases, marginPercent: DEFAULT_MARGIN_PERCENT }
}

/** Reads a policy. Throws GatewayConfigError with the place of what is wrong. */
export function parsePolicy(text: string, models: readonly GatewayModel[], path: string): Policy {
  try {
    return policyOf(JSON.parse(text), models)
  } catch (error) {
    if (error instanceof ApiError || error instanceof SyntaxError)
      throw new GatewayConfigError(`the policy ${path} is wrong: ${error.message}`)
    throw error
  }
}

function policyOf(json: unknown, models: readonly GatewayModel[]): Policy {
  const fields = new Fields(json, undefined)
  if (fields.needed('version') !== 1) throw invalidRequest('"version" must be 1.', 'version')
  const limits = limitsOf(fields, DEFAULT_LIMITS)
  const marginPercent = fields.integer('marginPercent', 0, 1000) ?? DEFAULT_MARGIN_PERCENT
  const given = fields.take('aliases')
  fields.finish()
  if (given === undefined) return { ...defaultPolicy(models, limits), marginPercent }
  const names = Object.keys(given as object)
  if (names.length === 0 || names.length > MAX_ALIASES)
    throw invalidRequest(`"aliases" must have 1 to ${MAX_ALIASES} names.`, 'aliases')
  const isModel = (name: unknown): boolean => models.some((each) => each.name === name || each.modelId === name)
  const all = new Fields(given, 'aliases')
  const aliases = new Map<string, AliasPolicy>()
  for (const name of names) {
    if (!NAME.test(name)) throw invalidRequest(`"${name.slice(0, 80)}" is no name of an alias.`, 'aliases')
    if (isModel(name)) throw invalidRequest(`The alias "${name}" has the name of a model.`, 'aliases')
    aliases.set(name, aliasOf(new Fields(all.needed(name), `aliases.${name}`), limits))
  }
  for (const [name, { models: parts, fallbacks }] of aliases) {
    for (const part of parts) {
      if (!isModel(part))
        throw invalidRequest(
          `"aliases.${name}.models" names "${part}"; this network has ${models.map((each) => each.name).join(', ')}.`,
          'aliases',
        )
    }
    for (const other of fallbacks) {
      if (!aliases.has(other) && !isModel(other))
        throw invalidRequest(`"aliases.${name}.fallbacks" names "${other}", no alias and no model.`, 'aliases')
    }
  }
  return { ...limits, aliases, marginPercent }
}

function aliasOf(fields: Fields, limits: PriceLimits): AliasPolicy {
  const models = namesOf(fields, 'models')
  if (models.length === 0) throw invalidRequest(`"${fields.path('models')}" must name a model.`, undefined)
  const fallbacks = namesOf(fields, 'fallbacks')
  const verify = fields.choice('verify', VERIFY_MODES)
  const alias = { models, fallbacks, verify, ...limitsOf(fields, limits) }
  fields.finish()
  return alias
}

function namesOf(fields: Fields, name: string): readonly string[] {
  const value = fields.take(name) ?? []
  if (!Array.isArray(value) || value.length > MAX_ALIAS_MODELS || value.some((each) => typeof each !== 'string'))
    throw invalidRequest(`"${fields.path(name)}" must be an array of at most ${MAX_ALIAS_MODELS} names.`, undefined)
  return value
}

function limitsOf(fields: Fields, fallback: PriceLimits): PriceLimits {
  const grains = (name: keyof PriceLimits): bigint => {
    const value = fields.take(name)
    if (value === undefined) return fallback[name]
    if (typeof value !== 'string' || !/^[1-9]\d{0,18}$/.test(value) || BigInt(value) > MAX_GRAINS)
      throw invalidRequest(`"${fields.path(name)}" must be whole grains above 0, as a string such as "1000".`, name)
    return BigInt(value)
  }
  return { maxPriceGrains: grains('maxPriceGrains'), maxRequestGrains: grains('maxRequestGrains') }
}
