/** The paid side of a local network: bonds from the faucet, a gateway with a wallet of its own, and clients that ask through it. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readMarket } from '@nacre/node/rpc-client'
import type { Params } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { modelFolder } from '../network-model.ts'
import { TEST_WALLET_GRAINS, testWalletIn } from '../wallet/test-wallet.ts'
import { type GatewayChild, startGatewayChild, stopChild } from './child.ts'
import { Demand, type DemandAnswer, type DemandStats } from './demand.ts'
import { bondGrant, fund, type Grant } from './funding.ts'
import { hasQuestions, heldOutQuestions } from './questions.ts'
import { fetchStatus } from './rpc-client.ts'

export interface EconomyOptions {
  /** RPC of a node. */
  readonly rpc: string
  readonly params: Params
  /** RPCs of the miners and verifiers that need a bond. */
  readonly members: readonly { readonly role: 'miner' | 'verifier'; readonly rpc: string }[]
  /** Requests at once; 0 for a gateway that nobody asks. */
  readonly demand: number
  /** Where the gateway listens, if that port is free; undefined: any port. */
  readonly port: number | undefined
  readonly dir: string
  readonly onAnswer: (answer: DemandAnswer) => void
}

export interface Economy {
  readonly baseUrl: string
  readonly demand: DemandStats
  /** How the gateway ended, if it did. */
  readonly ended: Promise<string>
  stop(): Promise<void>
}

const STOP_GRACE_MS = 5_000
const POLL_MS = 500

/** Whether a local network can have an economy: coins for bonds and clients, units that are jobs, and questions for its model. */
export const hasEconomy = (params: Params): boolean =>
  params.emission.faucetGrains > 0n &&
  params.bindings.provenance !== 'open' &&
  hasQuestions(modelFolder(params.models[0]!.name))

/** Funds the bonds, starts the gateway and its clients. Throws CliError. */
export async function startEconomy(options: EconomyOptions): Promise<Economy> {
  const { rpc, params, demand: atOnce, port, dir, onAnswer } = options
  const folder = join(dir, 'gateway')
  const wallet = await testWalletIn(folder, params)
  await fund(rpc, params, [...(await bondGrants(options)), { address: wallet.address, grains: TEST_WALLET_GRAINS }])
  const child = startGatewayChild(
    [
      ...['--rpc', rpc, '--wallet', wallet.path, '--passphrase-file', wallet.passphrasePath, '--verify', 'full'],
      ...(port === undefined ? ['--port', '0'] : ['--port', String(port), '--port-fallback']),
    ],
    join(dir, 'gateway.log'),
  )
  const { baseUrl } = await readyOf(child)
  const { units, block, models } = params
  const demand = new Demand({
    ...{ baseUrl, atOnce, onAnswer, maxPromptTokens: units.bootstrapPromptTokens },
    questions: heldOutQuestions(modelFolder(models[0]!.name)),
    maxNewTokens: units.maxNewTokens,
    deadlineMs: Math.max(60_000, 20 * block.timeMs),
  })
  const abort = new AbortController()
  void untilAsked(rpc, abort.signal).then(() => {
    if (!abort.signal.aborted) demand.start()
  })
  return {
    baseUrl,
    get demand() {
      return demand.stats
    },
    ended: child.exited,
    stop: async () => {
      abort.abort()
      await demand.stop()
      await stopChild(child, STOP_GRACE_MS)
    },
  }
}

/** Until a miner asks, or the signal: before that every request would be refused. */
async function untilAsked(rpc: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // Boot may be restarting.
    const market = await readMarket(rpc, signal).catch(() => undefined)
    if (market?.models.some(({ asks }) => asks > 0)) return
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function readyOf(child: GatewayChild) {
  try {
    return await child.ready
  } catch (error) {
    await stopChild(child, STOP_GRACE_MS)
    throw new CliError(error instanceof Error ? error.message : String(error))
  }
}

/** For each member that is not registered yet. */
async function bondGrants({ members, params }: EconomyOptions): Promise<Grant[]> {
  const grants = await Promise.all(
    members.map(async ({ role, rpc }) => {
      const { registration } = await fetchStatus(rpc)
      return registration?.state !== 'waiting-for-funds' ? [] : [bondGrant(params, role, registration.address)]
    }),
  )
  return grants.flat()
}
