import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { BlockView, NodeEvents } from '@nacre/node'
import { followEvents } from '@nacre/node/rpc-client'
import { diffParams, type LaneName, overrideParams, type Params, presetByName } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { calibrate } from './calibrate.ts'
import { type NodeChild, type ReadyLine, startChild, stopChild } from './child.ts'
import { fetchBlock, fetchStatus, type NodeStatus } from './rpc-client.ts'
import { type BlockEvent, formatBlock } from './screen.ts'

/** The `verdict` event as it comes over RPC: `reason` is missing where it is undefined. */
export type VerdictEvent = Pick<NodeEvents['verdict'], 'height' | 'steps' | 'outcome' | 'checkMs'> & {
  readonly reason?: string
}

export interface DevnetOptions {
  readonly preset: string
  readonly overrides: readonly string[]
  readonly miners: number
  readonly verifiers: number
  /** Part of the time that each miner works; undefined: chosen so that all processes share the machine. */
  readonly dutyCycle: number | undefined
  readonly untilHeight: number | undefined
  /** Where boot's RPC listens, if that port is free; undefined: any port. */
  readonly rpcPort?: number
  /** Give up when no block comes for so long. */
  readonly stallMs: number
  /** Where the nodes keep their data; undefined: a temporary folder, removed at the end. */
  readonly dir: string | undefined
  /** One line of progress. */
  readonly print: (line: string) => void
  readonly signal: AbortSignal
  /** Called when all nodes run, with a view of them that stays current. */
  readonly onRunning?: (members: () => readonly DevnetMember[]) => void
}

/** One node as the devnet sees it. */
export interface DevnetMember {
  readonly name: string
  readonly pid: number | undefined
  readonly rpc: string
  readonly restarts: number
  /** What it said last; undefined between a restart and its first answer. */
  readonly status: NodeStatus | undefined
}

/** Blocks of one miner; `open` only under provenance `open`. */
type LaneCounts = Partial<Record<LaneName, number>> & { readonly paid: number; readonly bootstrap: number }

/** What `--json` prints. Grains are decimal strings. */
export interface DevnetSummary {
  readonly height: number
  readonly tip: string
  readonly stateRoots: Readonly<Record<string, string>>
  readonly blocks: Readonly<Record<string, LaneCounts>>
  readonly units: number
  readonly tokens: number
  readonly tickets: number
  /** Part of the blocks' work that somebody paid for, as the chain publishes it (E2). */
  readonly usefulShare: number
  readonly supply: string
  readonly wallSeconds: number
}

interface Member {
  readonly name: string
  readonly role: 'boot' | 'miner' | 'verifier'
  readonly args: readonly string[]
  child: NodeChild
  ready: ReadyLine
  status: NodeStatus | undefined
  restarts: number
  /** Figures of earlier processes of this member, lost when one is killed. */
  before: { units: number; tokens: number; tickets: number }
  events: AbortController
}

const POLL_MS = 500
const STOP_GRACE_MS = 5_000
const MAX_RESTARTS = 5
const RESTART_DELAY_MS = 500
/** How long the nodes may take to agree on a block that all of them have passed. */
const AGREEMENT_MS = 60_000

/** Starts a local network, reports its progress, and stops it: at a height, on a signal, or when it makes no progress. */
export async function runDevnet(options: DevnetOptions): Promise<DevnetSummary | undefined> {
  const devnet = new Devnet(options)
  try {
    await devnet.start()
    return await devnet.watch()
  } finally {
    await devnet.stop()
  }
}

class Devnet {
  readonly #options: DevnetOptions
  readonly #dir: string
  readonly #members: Member[] = []
  readonly #startMs = performance.now()
  #params: Params
  #stopping = false
  #fatal: Error | undefined
  #lastHeight = 0
  #lastProgressMs = performance.now()
  #lastBlockTimeMs: number | undefined
  readonly #minerNames = new Map<string, string>()

  constructor(options: DevnetOptions) {
    this.#options = options
    this.#params = overrideParams(presetByName(options.preset), options.overrides)
    this.#dir = options.dir === undefined ? mkdtempSync(join(tmpdir(), 'nacre-devnet-')) : resolve(options.dir)
    mkdirSync(this.#dir, { recursive: true })
  }

  async start(): Promise<void> {
    const { miners, verifiers, print, signal } = this.#options
    const cores = availableParallelism()
    const duty = this.#options.dutyCycle ?? Math.min(0.9, Math.max(0.05, (0.6 * cores) / Math.max(1, miners)))
    const overrides = [...this.#options.overrides]
    print(
      `nacre devnet: preset ${this.#options.preset}, ${miners} miners at duty cycle ${duty.toFixed(2)}, ${verifiers} verifiers, data in ${this.#dir}`,
    )
    const isPinned = overrides.some((line) => line.startsWith('difficulty.genesisBits='))
    if (!isPinned && miners > 0) {
      const { genesisBits, unitMs, replayMs, kernels } = await calibrate(this.#params, miners * duty, cores)
      overrides.push(`difficulty.genesisBits=${genesisBits}`)
      print(
        `calibrated: a unit takes ${unitMs.toFixed(0)} ms with the lottery, its re-execution ${replayMs.toFixed(0)} ms (${kernels} kernels)`,
      )
    }
    this.#params = overrideParams(presetByName(this.#options.preset), overrides)
    for (const { path, a, b } of diffParams(presetByName(this.#options.preset), this.#params))
      print(`  ${path}: ${a} -> ${b}`)

    const common = ['--preset', this.#options.preset, ...overrides.flatMap((line) => ['--set', line]), '--single-host']
    const { rpcPort } = this.#options
    const rpc = rpcPort === undefined ? [] : ['--rpc-port', String(rpcPort), '--rpc-fallback']
    const boot = await this.#launch('boot', 'boot', [...common, ...rpc])
    const bootstrap = boot.ready.addresses.flatMap((address) => ['--bootstrap', address])
    const later: [string, Member['role'], string[]][] = []
    for (let i = 1; i <= verifiers; i++) later.push([`verifier-${i}`, 'verifier', [...common, ...bootstrap]])
    for (let i = 1; i <= miners; i++)
      later.push([`miner-${i}`, 'miner', [...common, ...bootstrap, '--duty', String(duty)]])
    await Promise.all(later.map(([name, role, args]) => this.#launch(name, role, args)))
    if (signal.aborted) return
    this.#lastProgressMs = performance.now()
    print(`${this.#members.length} nodes are up; RPC of boot: ${boot.ready.rpc}`)
    this.#options.onRunning?.(() =>
      this.#members.map(({ name, child, ready, restarts, status }) => ({
        name,
        pid: child.process.pid,
        rpc: ready.rpc,
        restarts,
        status,
      })),
    )
  }

  /** Until the height, the signal or a failure. */
  async watch(): Promise<DevnetSummary | undefined> {
    const { signal, untilHeight, stallMs } = this.#options
    while (!signal.aborted) {
      if (this.#fatal !== undefined) throw this.#fatal
      await this.#poll()
      const heights = this.#members.map(({ status }) => status?.height ?? 0)
      if (untilHeight !== undefined && Math.min(...heights) >= untilHeight) return await this.#summarise(untilHeight)
      const highest = Math.max(...heights)
      if (highest > this.#lastHeight) {
        this.#lastHeight = highest
        this.#lastProgressMs = performance.now()
      }
      if (performance.now() - this.#lastProgressMs > stallMs) {
        throw new CliError(
          `no block for ${Math.round(stallMs / 1000)} s at height ${highest}; the logs are in ${this.#dir}`,
        )
      }
      await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
    return undefined
  }

  async stop(): Promise<void> {
    this.#stopping = true
    for (const member of this.#members) member.events.abort()
    await Promise.all(this.#members.map(({ child }) => stopChild(child, STOP_GRACE_MS)))
    const hasFailed = this.#fatal !== undefined
    if (this.#options.dir === undefined && !hasFailed && !this.#isStalled())
      rmSync(this.#dir, { recursive: true, force: true })
  }

  #isStalled(): boolean {
    return performance.now() - this.#lastProgressMs > this.#options.stallMs
  }

  async #launch(name: string, role: Member['role'], args: readonly string[]): Promise<Member> {
    const full = ['--role', role, '--data', join(this.#dir, name), ...args]
    const child = startChild(name, full, join(this.#dir, `${name}.log`))
    const member: Member = {
      name,
      role,
      args: full,
      child,
      ready: { rpc: '', addresses: [] },
      status: undefined,
      restarts: 0,
      before: { units: 0, tokens: 0, tickets: 0 },
      events: new AbortController(),
    }
    this.#members.push(member)
    await this.#onReady(member)
    void this.#keepAlive(member)
    return member
  }

  async #onReady(member: Member): Promise<void> {
    try {
      member.ready = await member.child.ready
    } catch (error) {
      throw new CliError(error instanceof Error ? error.message : String(error))
    }
    member.events.abort()
    member.events = new AbortController()
    const onEvent = (name: string, data: unknown): void => this.#onEvent(member, name, data)
    // The node went away or the devnet stops: whoever called decides what follows.
    void followEvents(member.ready.rpc, member.events.signal, { onEvent }).catch(() => undefined)
  }

  /** Restarts a process that ended by itself: the network goes on without it meanwhile. */
  async #keepAlive(member: Member): Promise<void> {
    for (;;) {
      const how = await member.child.exited
      if (this.#stopping || this.#fatal !== undefined) return
      member.restarts++
      const miner = member.status?.miner
      if (miner !== undefined) {
        member.before = {
          units: member.before.units + miner.units,
          tokens: member.before.tokens + miner.tokens,
          tickets: member.before.tickets + miner.tickets,
        }
      }
      member.status = undefined
      if (member.restarts > MAX_RESTARTS) {
        this.#fatal = new CliError(`${member.name} ended ${member.restarts} times (${how}); its log is in ${this.#dir}`)
        return
      }
      this.#options.print(`${member.name} ended (${how}); starting it again`)
      await delay(RESTART_DELAY_MS)
      if (this.#stopping) return
      try {
        member.child = startChild(member.name, member.args, join(this.#dir, `${member.name}.log`))
        await this.#onReady(member)
        this.#options.print(`${member.name} is back`)
      } catch (error) {
        if (this.#stopping) return
        this.#options.print(error instanceof Error ? error.message : String(error))
      }
    }
  }

  async #poll(): Promise<void> {
    await Promise.all(
      this.#members.map(async (member) => {
        const { rpc } = member.ready
        try {
          const status = await fetchStatus(rpc)
          if (rpc === member.ready.rpc && member.child.process.exitCode === null) member.status = status
        } catch {
          // Restarting or busy: the last known status stays.
        }
      }),
    )
  }

  #onEvent(member: Member, name: string, data: unknown): void {
    if (name === 'block' && member.role === 'boot') this.#printBlock(data as BlockEvent)
    if (name === 'reorg' && member.role === 'boot')
      this.#options.print(`reorganisation: ${(data as { left: string[] }).left.length} blocks replaced`)
    if (name === 'verdict') this.#options.print(`       ${member.name}: ${formatVerdict(data as VerdictEvent)}`)
  }

  #printBlock(block: BlockEvent): void {
    const sinceParentMs = this.#lastBlockTimeMs === undefined ? undefined : block.timeMs - this.#lastBlockTimeMs
    this.#lastBlockTimeMs = block.timeMs
    this.#options.print(formatBlock(block, this.#nameOf(block.minerKey), sinceParentMs))
  }

  #nameOf(minerKey: string): string {
    for (const { name, role, ready } of this.#members) {
      if (role === 'miner' && ready.minerKey !== undefined) this.#minerNames.set(ready.minerKey, name)
    }
    return this.#minerNames.get(minerKey) ?? minerKey.slice(0, 8)
  }

  async #summarise(height: number): Promise<DevnetSummary> {
    const deadlineMs = performance.now() + AGREEMENT_MS
    for (;;) {
      const blocks = await Promise.all(this.#members.map(({ ready }) => fetchBlock(ready.rpc, height)))
      const ids = new Set(blocks.map((block) => block?.id))
      if (ids.size === 1 && blocks[0] !== undefined) return this.#summaryOf(height, blocks as BlockView[])
      if (performance.now() > deadlineMs || this.#options.signal.aborted) {
        const views = this.#members.map(({ name }, i) => `${name}: ${blocks[i]?.id.slice(0, 16) ?? 'no answer'}`)
        throw new CliError(`the nodes disagree about block ${height}: ${views.join(', ')}`)
      }
      await delay(POLL_MS)
    }
  }

  async #summaryOf(height: number, views: readonly BlockView[]): Promise<DevnetSummary> {
    await this.#poll()
    const boot = this.#members[0]!
    const chain = await Promise.all(Array.from({ length: height }, (_, i) => fetchBlock(boot.ready.rpc, i + 1)))
    const miners = this.#members.filter(({ role }) => role === 'miner')
    const blocks: Record<string, LaneCounts> = Object.fromEntries(
      miners.map(({ name }) => [name, { paid: 0, bootstrap: 0 }]),
    )
    for (const block of chain) {
      if (block === undefined) throw new CliError('a block is missing from the chain of boot')
      const name = this.#nameOf(block.minerKey)
      const entry = blocks[name] ?? { paid: 0, bootstrap: 0 }
      blocks[name] = { ...entry, [block.lane]: (entry[block.lane] ?? 0) + 1 }
    }
    const sum = (key: 'units' | 'tokens' | 'tickets'): number =>
      miners.reduce((total, { status, before }) => total + before[key] + (status?.miner?.[key] ?? 0), 0)
    return {
      height,
      tip: views[0]!.id,
      stateRoots: Object.fromEntries(this.#members.map(({ name }, i) => [name, views[i]!.stateRoot])),
      blocks,
      units: sum('units'),
      tokens: sum('tokens'),
      tickets: sum('tickets'),
      usefulShare: Number(boot.status?.usefulSharePpm ?? '0') / 1_000_000,
      supply: boot.status?.supplyGrains ?? '0',
      wallSeconds: Math.round((performance.now() - this.#startMs) / 100) / 10,
    }
  }
}

/** What a verifier found: only `fraud` accuses anybody. */
export function formatVerdict({ outcome, height, steps, checkMs, reason }: VerdictEvent): string {
  const texts = {
    right: `${steps} sampled steps of #${height} are right`,
    fraud: `FRAUD in #${height}: ${reason}`,
    unanswered: `#${height} NOT confirmed: ${reason}`,
  }
  return `${texts[outcome]} (${checkMs} ms)`
}
