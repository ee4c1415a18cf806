/** On networks of test coins: a node that waits for its bond takes it from the faucet. */
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@nacre/node'
import { get } from '@nacre/node/rpc-client'
import type { Params } from '@nacre/protocol'
import { bondGrant, fund } from '../devnet/funding.ts'

export interface FaucetBondOptions {
  /** The node's own RPC. */
  readonly rpc: string
  readonly params: Params
  readonly role: 'miner' | 'verifier'
  readonly log: Logger
  readonly signal: AbortSignal
}

/** What of `/status` is looked at. */
interface Status {
  readonly syncing: boolean
  readonly peers: number
  readonly registration?: { readonly state: string; readonly address: string }
}

/** Blocks that a payment may take before it counts as lost: another branch, or another node that took the faucet's nonce. */
const PATIENCE_BLOCKS = 6

/** Until the node is registered, or the signal. Several nodes share one faucet, so each waits for a moment of its own. */
export async function takeBond({ rpc, params, role, log, signal }: FaucetBondOptions): Promise<void> {
  const { timeMs } = params.block
  const pause = (ms: number): Promise<void> => delay(ms, undefined, { signal }).catch(() => undefined)
  let paidMs = Number.NEGATIVE_INFINITY
  for (; !signal.aborted; await pause(timeMs / 2 + randomInt(timeMs))) {
    const status = await (get(rpc, '/status', signal) as Promise<Status>).catch(() => undefined)
    const state = status?.registration?.state
    if (state === 'active') return
    // Without peers or before it has the chain the node knows neither the faucet's nonce nor whether it was paid already.
    const isReady = state === 'waiting-for-funds' && !status!.syncing && status!.peers > 0
    if (!isReady || performance.now() - paidMs < PATIENCE_BLOCKS * timeMs) continue
    try {
      await fund(rpc, params, [bondGrant(params, role, status!.registration!.address)])
      paidMs = performance.now()
      log.info({ event: 'faucet_asked', role })
    } catch (error) {
      log.warn({ event: 'faucet_refused', reason: error instanceof Error ? error.message : String(error) })
    }
  }
}
