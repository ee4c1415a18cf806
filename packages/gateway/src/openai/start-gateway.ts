import type { WorkerPort } from '@nacre/engine'
import { readHeight, readJob } from '@nacre/node/rpc-client'
import type { KeyPair, MarketRules } from '@nacre/protocol'
import { createJobClient } from '../jobs/client.ts'
import { createScorer } from '../swarm/score.ts'
import { readConfigFile } from './config-error.ts'
import { MAX_POLICY_BYTES } from './limits.ts'
import { nodeMarket } from './market.ts'
import { defaultPolicy, type Policy, type PriceLimits, parsePolicy } from './policy.ts'
import { type Gateway, type ServeOptions, serveGateway } from './serve-gateway.ts'

export interface GatewayOptions
  extends Omit<ServeOptions, 'client' | 'market' | 'tipHeight' | 'jobView' | 'score' | 'policy'> {
  /** A node of the network. */
  readonly rpcUrl: string
  /** Pays for all jobs. While the gateway runs nothing else may spend from it. */
  readonly keys: KeyPair
  /** Parameters of the chain and configurations of its models. */
  readonly market: MarketRules
  /** Workers that have the models, to verify and to score. They are the caller's to stop, after the gateway. */
  readonly workers: WorkerPort
  /** Share of the answers that `sampled` verifies. */
  readonly sampleShare?: number
  /** File of the policy; undefined: the built-in one. */
  readonly policyPath: string | undefined
  /** Of the built-in policy. */
  readonly limits?: Partial<PriceLimits>
}

/**
 * The API in front of a node: a job client of its own, and everything on it. Rejects with GatewayConfigError, with JobError NO_NODE,
 * NOT_A_NODE or WRONG_NETWORK, or with the error of the listening socket.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { rpcUrl, keys, market, workers, sampleShare, models } = options
  const policy = await policyFrom(options)
  const client = await createJobClient({
    ...{ rpcUrl, keys, market, workers, log: options.log },
    ...(sampleShare === undefined ? {} : { sampleShare }),
  })
  try {
    const gateway = await serveGateway({
      ...options,
      ...{ client, models, policy, market: nodeMarket(rpcUrl), score: createScorer(workers) },
      tipHeight: (signal) => readHeight(rpcUrl, signal),
      jobView: (jobId, signal) => readJob(rpcUrl, jobId, signal),
    })
    return {
      ...gateway,
      stop: async () => {
        await gateway.stop()
        await client.stop()
      },
    }
  } catch (error) {
    await client.stop()
    throw error
  }
}

async function policyFrom({ policyPath, models, limits }: GatewayOptions): Promise<Policy> {
  if (policyPath === undefined) return defaultPolicy(models, limits)
  const text = await readConfigFile('policy', policyPath, MAX_POLICY_BYTES)
  return parsePolicy(text, models, policyPath)
}
