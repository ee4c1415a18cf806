/** A stage of processes: `nacre node` for each member, libp2p between them, the wall clock. */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { get } from '@nacre/node/rpc-client'
import { diffParams, overrideParams, presetByName } from '@nacre/protocol'
import { calibrate } from '../../src/devnet/calibrate.ts'
import { addressOfKey, type PaidMiner, startPaidNetwork } from '../../src/devnet/paid-network.ts'
import { CliError } from '../../src/errors.ts'
import type { SelfDealingCase } from './cases.ts'
import { ownMiners, type Stage, type StageOptions } from './stage.ts'

const POLL_MS = 100
const WITHHOLDING = fileURLToPath(new URL('withholding-node.ts', import.meta.url))
/** For one block. */
const BLOCK_DEADLINE_MS = 120_000
/** Real time is dear: the block time of the preset. */
const TIMES: readonly string[] = ['block.timeMs=1000', 'block.maxFutureMs=5000', 'difficulty.halfLifeMs=16000']

export async function startLiveStage({ play, params: slow, client, signal }: StageOptions): Promise<Stage> {
  const timed = overrideParams(slow, TIMES)
  const miners = Array.from({ length: play.miners }, (_, i) => minerOf(play, i < ownMiners(play)))
  const cores = availableParallelism()
  const { genesisBits, dutyCycle } = await calibrate({
    ...{ params: timed, miners: play.miners, dutyCycle: undefined, isPaid: true, cores },
    works: miners.flatMap(({ work }) => (work === undefined ? [] : [work])),
  })
  const params = overrideParams(timed, [`difficulty.genesisBits=${genesisBits}`])
  const dir = mkdtempSync(join(tmpdir(), 'nacre-self-dealing-'))
  const preset = 'unit'
  const overrides = diffParams(presetByName(preset), params).map(({ path, b }) => `${path}=${b}`)
  const network = await startPaidNetwork({ preset, overrides, miners, verifiers: 1, dutyCycle, dir, signal })
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

function minerOf(
  { asks, ownCapacityMacs: capacityMacs, work, isWithholding }: SelfDealingCase,
  isOwn: boolean,
): PaidMiner {
  return {
    askGrains: isOwn ? asks.own : asks.others,
    ...(isOwn && capacityMacs !== undefined ? { capacityMacs } : {}),
    ...(work === undefined ? {} : { work: isOwn ? work.own : work.others }),
    ...(isOwn && isWithholding === true ? { program: WITHHOLDING } : {}),
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
