/** A local network of processes on which jobs are paid: its miners and verifiers are registered, and the miners ask. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { OpenWork } from '@nacre/engine'
import { get, readMarket } from '@nacre/node/rpc-client'
import { overrideParams, type Params, presetByName } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { addressOf, networkOf } from '../wallet/network.ts'
import { type NodeChild, startNode, stopChild } from './child.ts'
import { bondGrant, fund as fundFromFaucet } from './funding.ts'

export interface PaidMiner {
  /** Price that it asks, grains for 10^9 output MACs. */
  readonly askGrains: bigint
  /** MACs of jobs per block that it declares; undefined: what `nacre node` does. */
  readonly capacityMacs?: bigint
  /** What it multiplies under provenance `open`. */
  readonly work?: OpenWork
  /** Path of a program that runs in place of `nacre`. */
  readonly program?: string
}

export interface PaidNetworkOptions {
  readonly preset: string
  readonly overrides: readonly string[]
  readonly miners: readonly PaidMiner[]
  readonly verifiers: number
  /** Part of the time that each miner works. */
  readonly dutyCycle: number
  /** Where the nodes keep data and logs. */
  readonly dir: string
  readonly signal: AbortSignal
}

export interface PaidNetworkMember {
  readonly name: string
  readonly rpc: string
  /** Hex; of miners. */
  readonly minerKey: string | undefined
  readonly child: NodeChild
}

export interface PaidNetwork {
  readonly params: Params
  /** Of the boot node. */
  readonly rpc: string
  readonly members: readonly PaidNetworkMember[]
  /** Pays from the faucet, and waits until the coins are there. */
  fund(address: string, grains: bigint): Promise<void>
  stop(): Promise<void>
}

const STOP_GRACE_MS = 5_000
/** Nodes have as long to start, to register and to ask. */
const READY_MS = 600_000
const POLL_MS = 300

/** Starts it; resolves once every miner has a standing ask and a verifier is active. Rejects with CliError, having stopped it again. */
export async function startPaidNetwork(options: PaidNetworkOptions): Promise<PaidNetwork> {
  const children: NodeChild[] = []
  try {
    return await start(options, children)
  } catch (error) {
    await stopAll(children)
    throw error
  }
}

async function start(options: PaidNetworkOptions, children: NodeChild[]): Promise<PaidNetwork> {
  const { preset, overrides, miners, verifiers, dutyCycle, dir, signal } = options
  const params = overrideParams(presetByName(preset), overrides)
  mkdirSync(dir, { recursive: true })
  const common = ['--preset', preset, ...overrides.flatMap((line) => ['--set', line]), '--single-host']
  const launch = async (name: string, role: string, args: readonly string[], program?: string) => {
    const full = ['--role', role, '--data', join(dir, name), ...common, ...args]
    const child = startNode(name, full, join(dir, `${name}.log`), program)
    children.push(child)
    const ready = (await child.ready) as Awaited<NodeChild['ready']> & { readonly address?: string }
    return { name, child, ...ready, minerKey: ready.minerKey }
  }
  const boot = await launch('boot', 'boot', [])
  const peers = boot.addresses.flatMap((address) => ['--bootstrap', address])
  const others = await Promise.all([
    ...Array.from({ length: verifiers }, (_, i) => launch(`verifier-${i + 1}`, 'verifier', [...peers, '--register'])),
    ...miners.map(({ askGrains, capacityMacs, work, program }, i) => {
      const asked = ['--register', '--ask', `${askGrains}`, '--duty', `${dutyCycle}`]
      const capacity = capacityMacs === undefined ? [] : ['--capacity', `${capacityMacs}`]
      const kind = work === undefined ? [] : ['--work', work]
      return launch(`miner-${i + 1}`, 'miner', [...peers, ...asked, ...capacity, ...kind], program)
    }),
  ])
  const { rpc } = boot
  const fund = (address: string, grains: bigint): Promise<void> => payFromFaucet(rpc, params, address, grains, signal)
  for (const { address, minerKey } of others)
    await fund(address!, bondGrant(params, minerKey === undefined ? 'verifier' : 'miner', address!).grains)
  await until(signal, 'every miner asks and a verifier is active', async () => {
    const { models } = await readMarket(rpc)
    const { verifiers: active } = (await get(rpc, '/miners')) as { verifiers: number }
    return models.every((model) => model.asks === miners.length) && active >= verifiers
  })
  const members = [boot, ...others].map(({ name, rpc: own, minerKey, child }) => ({ name, rpc: own, minerKey, child }))
  return { params, rpc, members, fund, stop: () => stopAll(children) }
}

async function payFromFaucet(
  rpc: string,
  params: Params,
  address: string,
  grains: bigint,
  signal: AbortSignal,
): Promise<void> {
  const before = await balanceOf(rpc, address)
  await fundFromFaucet(rpc, params, [{ address, grains }])
  // Of its own it may spend some meanwhile.
  await until(signal, `coins reach ${address}`, async () => (await balanceOf(rpc, address)) > before)
}

const balanceOf = async (rpc: string, address: string): Promise<bigint> =>
  BigInt(((await get(rpc, `/accounts/${address}`)) as { balanceGrains: string }).balanceGrains)

/** The address of a key on this network. */
export const addressOfKey = (params: Params, publicKey: Uint8Array): string => addressOf(networkOf(params), publicKey)

/** Asks again and again until the answer is yes. Throws CliError after a while, and when the signal fires. */
async function until(signal: AbortSignal, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + READY_MS
  while (!(await isSo())) {
    if (signal.aborted) throw new CliError(`interrupted while waiting until ${what}`, 130, 'INTERRUPTED')
    if (performance.now() > deadlineMs) throw new CliError(`after ${READY_MS / 1000} s it is still not so that ${what}`)
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function stopAll(children: readonly NodeChild[]): Promise<void> {
  await Promise.all(children.map((child) => stopChild(child, STOP_GRACE_MS)))
}
