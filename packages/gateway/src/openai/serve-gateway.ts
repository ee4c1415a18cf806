/** The API on a job client: everything but the client itself and its node. */
import type { Logger } from '@nacre/node'
import { isLoopback, type JobView } from '@nacre/node/rpc-client'
import type { JobClient, VerifyMode } from '../jobs/types.ts'
import type { ScoreAnswer } from '../swarm/score.ts'
import { GatewayConfigError } from './config-error.ts'
import { defaultDeadlineMs } from './deadline.ts'
import type { GatewayModel } from './gateway-models.ts'
import { JobRunner } from './job-runner.ts'
import { createAccess } from './keys/access.ts'
import { MAX_WINDOW_HOURS, openKeyStore } from './keys/key-file.ts'
import { SpendingLedger } from './keys/ledger.ts'
import { RateLimiter } from './keys/rate-limit.ts'
import { HEALTH_CACHE_MS, MARKET_CACHE_MS } from './limits.ts'
import { cachedMarket, type MarketSource } from './market.ts'
import type { Policy } from './policy.ts'
import { reconcile } from './reconcile.ts'
import { type ApiServer, type ServerParts, startApiServer } from './server.ts'

export interface ServeOptions {
  /** Stays the caller's to stop, after the gateway. */
  readonly client: JobClient
  readonly models: readonly GatewayModel[]
  readonly market: MarketSource
  /** Height of the node's tip. */
  readonly tipHeight: (signal: AbortSignal) => Promise<number>
  /** Undefined where the node knows no such job. */
  readonly jobView: (jobId: string, signal: AbortSignal) => Promise<JobView | undefined>
  readonly score: ScoreAnswer
  readonly policy: Policy
  /** Where neither key nor alias says. */
  readonly verify: VerifyMode
  /** File of API keys. Undefined: no key is needed, and `host` must be this machine's own, unless `isOpen`. */
  readonly keysPath: string | undefined
  /** Whoever reaches `host` may spend the wallet. */
  readonly isOpen?: boolean
  /** File of what keys have spent; undefined: in memory, for a gateway without keys. */
  readonly ledgerPath: string | undefined
  readonly host: string
  readonly port: number
  readonly deadlineMs?: number
  readonly stopGraceMs?: number
  /** How long a stream waits for its first answer before it begins with comments. */
  readonly streamOpenMs?: number
  readonly log: Logger
  readonly nowMs?: () => number
}

export interface Gateway {
  readonly url: string
  /** Of the wallet that pays. */
  readonly address: string
  /** Names that requests may use. */
  readonly names: readonly string[]
  readonly needsKey: boolean
  /** Lets requests finish for a while, then ends them with 503. Idempotent. */
  stop(): Promise<void>
}

const DEFAULT_STOP_GRACE_MS = 10_000
/** Every block may tell what open charges have cost; between these bounds. */
const LEAST_UPKEEP_MS = 1_000
const MOST_UPKEEP_MS = 30_000
const HOUR_MS = 3_600_000
const HEALTH_TIMEOUT_MS = 5_000

/** Rejects with GatewayConfigError, or the error of the listening socket. */
export async function serveGateway(options: ServeOptions): Promise<Gateway> {
  const { client, models, policy, log, keysPath, ledgerPath, nowMs = Date.now } = options
  const { params } = client.chain
  if (models.length === 0) throw new GatewayConfigError('none of the models of this network is loaded')
  if (keysPath === undefined && options.isOpen !== true && !isLoopback(options.host))
    throw new GatewayConfigError(`${options.host} can be reached by others: a gateway there needs keys`)
  if (keysPath !== undefined && ledgerPath === undefined)
    throw new GatewayConfigError('a gateway with keys needs a file for what they have spent')
  const keys =
    keysPath === undefined
      ? undefined
      : await openKeyStore(keysPath, (error) => log.warn({ event: 'keys_unreadable', error: error.message }))
  const ledger = new SpendingLedger(ledgerPath ?? ':memory:', nowMs)
  const rates = new RateLimiter(nowMs)
  const access = createAccess({ keys, ledger, rates, nowMs })
  const onError = (what: string, error: unknown): void =>
    log.error({ event: 'failed', what, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  const runner = new JobRunner(client, ledger, (error) => onError('job', error))
  const closing = new AbortController()

  let nextCharge = 0

  const upkeep = async (): Promise<void> => {
    try {
      rates.prune()
      ledger.prune(2 * MAX_WINDOW_HOURS * HOUR_MS)
      const { jobView, tipHeight } = options
      const { settled, after, failure } = await reconcile(
        { params, ledger, runner, tipHeight, jobView, nowMs },
        closing.signal,
        nextCharge,
      )
      nextCharge = after
      if (settled > 0) log.info({ event: 'charges_settled', charges: settled })
      if (failure !== undefined) throw failure
    } catch (error) {
      if (!closing.signal.aborted) log.warn({ event: 'upkeep_failed', error: (error as Error).message })
    }
  }

  let server: ApiServer
  try {
    server = await startApiServer({
      ...{ params, models, policy, access, runner, verify: options.verify, nowMs },
      market: cachedMarket(options.market, MARKET_CACHE_MS, nowMs),
      score: options.score,
      host: options.host,
      port: options.port,
      defaultDeadlineMs: options.deadlineMs ?? defaultDeadlineMs(params.block.timeMs),
      stopGraceMs: options.stopGraceMs ?? DEFAULT_STOP_GRACE_MS,
      streamOpenMs: options.streamOpenMs,
      figures: () => figuresOf(client, runner, access.keys, ledger.openCharges),
      health: cachedHealth(client, nowMs),
      onError,
    })
  } catch (error) {
    keys?.stop()
    ledger.close()
    throw error
  }
  let round = upkeep()
  let isUpkeepDone = true
  const timer = setInterval(
    () => {
      // A node that answers slowly must not let rounds pile up.
      if (!isUpkeepDone) return
      isUpkeepDone = false
      round = round.then(upkeep).finally(() => {
        isUpkeepDone = true
      })
    },
    Math.min(MOST_UPKEEP_MS, Math.max(LEAST_UPKEEP_MS, params.block.timeMs)),
  )
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    clearInterval(timer)
    closing.abort()
    await server.stop()
    await runner.stop()
    await round
    keys?.stop()
    ledger.close()
  }
  return {
    url: server.url,
    address: client.address,
    names: [...policy.aliases.keys(), ...models.map(({ name }) => name)],
    needsKey: keys !== undefined,
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** Strangers may ask as often as they like: the node is asked once in a while. */
function cachedHealth(client: JobClient, nowMs: () => number): ServerParts['health'] {
  let known: { readonly atMs: number; readonly health: ReturnType<ServerParts['health']> } | undefined
  const ask = async () => {
    const { height, spendableGrains } = await client.balance(AbortSignal.timeout(HEALTH_TIMEOUT_MS))
    return { height, isFunded: spendableGrains > 0n }
  }
  return () => {
    if (known === undefined || Math.abs(nowMs() - known.atMs) >= HEALTH_CACHE_MS)
      known = { atMs: nowMs(), health: ask() }
    return known.health
  }
}

function figuresOf(
  client: JobClient,
  runner: JobRunner,
  keys: number,
  openCharges: number,
): Readonly<Record<string, unknown>> {
  const { posted, answered, verified, failed, feeGrains, inputMacs, outputMacs } = runner.counts
  return {
    network: client.chain.params.network.name,
    chainId: client.chain.chainId,
    address: client.address,
    keys,
    openCharges,
    jobs: {
      ...{ underWay: runner.inFlight, posted, answered, verified, failed },
      ...{ feeGrains: feeGrains.toString(), inputMacs, outputMacs },
    },
  }
}
