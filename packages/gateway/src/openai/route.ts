/** From the name in a request to the model that runs it: the cheapest that meets the tier and holds the prompt. */
import { jobFee, type Params, unitMacs } from '@nacre/protocol'
import { ApiError, invalidRequest, modelNotFound, unavailable } from './api-error.ts'
import { type GatewayModel, newTokensFor, promptTokensFor } from './gateway-models.ts'
import { bidFor, type MarketSource } from './market.ts'
import type { AliasPolicy, Policy } from './policy.ts'
import type { GenerationRequest } from './request.ts'

/** One prompt's job, ready to be posted `samples` times. */
export interface PlannedPrompt {
  readonly promptTokens: readonly number[]
  readonly maxNewTokens: number
  /** Most that one job can cost: its escrow and the fee of its transaction. */
  readonly reserveGrains: bigint
}

/** A model that can run a request now, and what to bid. */
export interface Route {
  readonly at: GatewayModel
  readonly limits: Pick<AliasPolicy, 'verify'>
  readonly bidGrains: bigint
  readonly prompts: readonly PlannedPrompt[]
}

export interface RouterParts {
  readonly params: Params
  readonly models: readonly GatewayModel[]
  readonly policy: Policy
  readonly market: MarketSource
}

/** Models of one name in the order in which they are tried: groups whose members compete by price, then fallbacks. */
type Group = {
  readonly models: readonly GatewayModel[]
  readonly limits: Pick<AliasPolicy, 'maxPriceGrains' | 'maxRequestGrains' | 'verify'>
}

/**
 * All models that can run a request, the best first. Throws ApiError: 404 for a name that there is not, 400 where the request fits none of
 * the models or costs more than it may, 503 where nobody asks at an allowed price.
 */
export async function routesFor(parts: RouterParts, request: GenerationRequest): Promise<readonly Route[]> {
  const groups = groupsOf(parts, request.model, new Set())
  if (groups.length === 0) throw modelNotFound(request.model)
  const routes: Route[] = []
  const failures: ApiError[] = []
  const seen = new Set<string>()
  for (const { models, limits } of groups) {
    const fresh = models.filter(({ modelId }) => !seen.has(modelId))
    for (const { modelId } of fresh) seen.add(modelId)
    const found = await Promise.all(
      fresh.map(async (at) => {
        try {
          return await routeOn(parts, at, limits, request)
        } catch (error) {
          if (!(error instanceof ApiError)) throw error
          failures.push(error)
          return undefined
        }
      }),
    )
    routes.push(...found.filter((route) => route !== undefined).sort(byCost))
  }
  if (routes.length > 0) return routes
  // What may pass is worth more to know than what cannot.
  throw failures.find(({ status }) => status === 503) ?? failures[0]!
}

const costOf = ({ prompts }: Route): bigint => prompts.reduce((sum, { reserveGrains }) => sum + reserveGrains, 0n)
const byCost = (a: Route, b: Route): number => (costOf(a) < costOf(b) ? -1 : costOf(a) > costOf(b) ? 1 : 0)

function groupsOf({ models, policy }: RouterParts, name: string, seen: Set<string>): readonly Group[] {
  if (seen.has(name)) return []
  seen.add(name)
  const named = (one: string): GatewayModel[] =>
    models.filter((each) => each.name === one || each.modelId === one).slice(0, 1)
  const alias = policy.aliases.get(name)
  if (alias === undefined) {
    const { maxPriceGrains, maxRequestGrains } = policy
    const own = named(name)
    return own.length === 0 ? [] : [{ models: own, limits: { maxPriceGrains, maxRequestGrains, verify: undefined } }]
  }
  const first: Group = { models: alias.models.flatMap(named), limits: alias }
  const others = alias.fallbacks.flatMap((other) => groupsOf({ models, policy } as RouterParts, other, seen))
  // The limits are those of the name that was asked for.
  return [first, ...others.map((group) => ({ ...group, limits: alias }))]
}

async function routeOn(
  { params, market, policy }: RouterParts,
  at: GatewayModel,
  limits: Group['limits'],
  request: GenerationRequest,
): Promise<Route> {
  const { config } = at.model
  const shapes = request.prompts.map((prompt) => {
    const promptTokens = promptTokensFor(at, prompt)
    const { maxNewTokens: wanted, maxNewTokensParam } = request
    return { promptTokens, maxNewTokens: newTokensFor(params, at, promptTokens.length, wanted, maxNewTokensParam) }
  })
  const macs = shapes.reduce(
    (sum, { promptTokens, maxNewTokens }) => sum + unitMacs(config, promptTokens.length, maxNewTokens),
    0,
  )
  const { samples } = request
  const quote = await market.quote(at.modelId)
  const bidGrains = bidFor(quote, {
    macs: BigInt(macs) * BigInt(samples),
    jobs: samples * shapes.length,
    maxPriceGrains: limits.maxPriceGrains,
    marginPercent: policy.marginPercent,
  })
  if (bidGrains === undefined)
    throw unavailable(
      quote.asks.length === 0
        ? `No miner offers ${at.name} at the moment.`
        : `No miner offers ${at.name} for at most ${limits.maxPriceGrains} grains per GMAC.`,
      'no_miner',
      params.block.timeMs,
    )
  const prompts = shapes.map(({ promptTokens, maxNewTokens }): PlannedPrompt => {
    const escrow = jobFee(params, config, { promptTokens: promptTokens.length, maxNewTokens }, bidGrains)
    return { promptTokens, maxNewTokens, reserveGrains: escrow + params.fees.minTransactionGrains }
  })
  const total = prompts.reduce((sum, { reserveGrains }) => sum + reserveGrains, 0n) * BigInt(samples)
  if (total > limits.maxRequestGrains)
    throw invalidRequest(
      `This request can cost ${total} grains, more than the ${limits.maxRequestGrains} that one may cost: ` +
        `lower "${request.maxNewTokensParam}"${samples > 1 ? ' or the number of samples' : ''}.`,
      request.maxNewTokensParam,
      'request_too_expensive',
    )
  return { at, limits, bidGrains, prompts }
}
