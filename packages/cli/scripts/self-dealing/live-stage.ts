/** A stage of processes: `nacre node` for each member, libp2p between them, the wall clock. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { get } from '@nacre/node/rpc-client'
import { diffParams, presetByName } from '@nacre/protocol'
import { addressOfKey, startPaidNetwork } from '../../src/devnet/paid-network.ts'
import { CliError } from '../../src/errors.ts'
import { ownMiners, type Stage, type StageOptions } from './stage.ts'

const POLL_MS = 100
/** For one block. */
const BLOCK_DEADLINE_MS = 120_000
/** Part of the time that all miners together work unasked, on two cores. */
const SHARED_DUTY = 0.5

export async function startLiveStage({ play, params, client, signal }: StageOptions): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), 'nacre-self-dealing-'))
  const preset = 'unit'
  const overrides = diffParams(presetByName(preset), params).map(({ path, b }) => `${path}=${b}`)
  const asks = Array.from({ length: play.miners }, (_, i) => (i < ownMiners(play) ? play.asks.own : play.asks.others))
  const dutyCycle = SHARED_DUTY / play.miners
  const network = await startPaidNetwork({ preset, overrides, asks, verifiers: 1, dutyCycle, dir, signal })
  const stop = async (): Promise<void> => {
    await network.stop()
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    const { rpc, members } = network
    await network.fund(addressOfKey(params, client.keys.publicKey), client.grains)
    const minerKeys = members.flatMap(({ minerKey }) => (minerKey === undefined ? [] : [minerKey]))
    return { params, rpc, minerKeys, advance: (blocks) => advance(rpc, blocks, signal), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function advance(rpc: string, blocks: number, signal: AbortSignal): Promise<void> {
  const goal = (await heightOf(rpc)) + blocks
  const deadlineMs = performance.now() + blocks * BLOCK_DEADLINE_MS
  while ((await heightOf(rpc)) < goal) {
    if (signal.aborted) throw new CliError('interrupted', 130, 'INTERRUPTED')
    if (performance.now() > deadlineMs) throw new CliError(`no ${blocks} blocks within their time`)
    await delay(POLL_MS)
  }
}

const heightOf = async (rpc: string): Promise<number> => ((await get(rpc, '/status')) as { height: number }).height
