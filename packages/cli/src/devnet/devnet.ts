import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { OPEN_WORKS, type OpenWork } from '@nacre/engine'
import type { BlockView } from '@nacre/node'
import { readVerifierList } from '@nacre/node/rpc-client'
import { diffParams, overrideParams, type Params, presetByName } from '@nacre/protocol'
import { verifierLines } from '../commands/verifiers.ts'
import { CliError } from '../errors.ts'
import { calibrate, sharedDuty } from './calibrate.ts'
import { type Economy, hasEconomy, startEconomy } from './economy.ts'
import { type Member, Members } from './members.ts'
import { fetchBlock, type NodeStatus } from './rpc-client.ts'
import {
  type AuditEvent,
  type BlockEvent,
  gatewayLines,
  LEGEND,
  type MarketEvent,
  Screen,
  type VerdictEvent,
} from './screen.ts'
import { countersOf, type DevnetSummary, summaryOf } from './summary.ts'

export interface DevnetOptions {
  readonly preset: string
  readonly overrides: readonly string[]
  readonly miners: number
  readonly verifiers: number
  /** Part of the time that each miner works; undefined: chosen so that all processes share the machine. */
  readonly dutyCycle: number | undefined
  /** Miners plant faults among their paid units (AUD-8). */
  readonly plant?: boolean
  /** What the miners multiply under provenance `open`, in turns; by default all kinds. */
  readonly works?: readonly OpenWork[]
  readonly untilHeight: number | undefined
  /** Where boot's RPC listens, if that port is free; undefined: any port. */
  readonly rpcPort?: number
  /** Requests at once to a gateway of the network; 0 for a gateway that nobody asks, undefined for none. */
  readonly demand?: number | undefined
  /** Where the gateway listens, if that port is free; undefined: any port. */
  readonly gatewayPort?: number | undefined
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

const POLL_MS = 500
/** What the first miner asks, in grains for 10^9 output MACs, and of how many of the largest units it offers the MACs per block. */
const BASE_ASK_GRAINS = 10_000_000
const ASKED_UNITS = 64
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
  readonly #members: Members
  readonly #startMs = performance.now()
  #params: Params
  #stopping = false
  #fatal: Error | undefined
  #lastHeight = 0
  #lastProgressMs = performance.now()
  #economy: Economy | undefined
  readonly #screen: Screen

  constructor(options: DevnetOptions) {
    this.#options = options
    this.#screen = new Screen(options.print, (minerKey) => this.#members.nameOf(minerKey))
    this.#params = overrideParams(presetByName(options.preset), options.overrides)
    this.#dir = options.dir === undefined ? mkdtempSync(join(tmpdir(), 'nacre-devnet-')) : resolve(options.dir)
    mkdirSync(this.#dir, { recursive: true })
    this.#members = new Members({
      ...{ dir: this.#dir, print: options.print },
      onEvent: (member, name, data) => this.#onEvent(member, name, data),
      onFatal: (error) => {
        this.#fatal ??= error
      },
    })
  }

  async start(): Promise<void> {
    const { miners, verifiers, print, signal } = this.#options
    const overrides = [...this.#options.overrides]
    print(
      `nacre devnet: preset ${this.#options.preset}, ${miners} miners, ${verifiers} verifiers, data in ${this.#dir}`,
    )
    const duty = await this.#calibrate(overrides)
    this.#params = overrideParams(presetByName(this.#options.preset), overrides)
    for (const { path, a, b } of diffParams(presetByName(this.#options.preset), this.#params))
      print(`  ${path}: ${a} -> ${b}`)

    const common = ['--preset', this.#options.preset, ...overrides.flatMap((line) => ['--set', line]), '--single-host']
    const { rpcPort } = this.#options
    const rpc = rpcPort === undefined ? [] : ['--rpc-port', String(rpcPort), '--rpc-fallback']
    const boot = await this.#members.launch('boot', 'boot', [...common, ...rpc])
    const bootstrap = boot.ready.addresses.flatMap((address) => ['--bootstrap', address])
    const later: [string, Member['role'], string[]][] = []
    for (let i = 1; i <= verifiers; i++)
      later.push([`verifier-${i}`, 'verifier', [...common, ...bootstrap, ...this.#register]])
    for (let i = 1; i <= miners; i++)
      later.push([
        `miner-${i}`,
        'miner',
        [...common, ...bootstrap, '--duty', String(duty), ...this.#workOf(i), ...this.#askOf(i)],
      ])
    await Promise.all(later.map(([name, role, args]) => this.#members.launch(name, role, args)))
    if (signal.aborted) return
    this.#lastProgressMs = performance.now()
    print(`${this.#members.list.length} nodes are up; RPC of boot: ${boot.ready.rpc}`)
    if (this.#params.bindings.provenance !== 'open') for (const line of LEGEND) print(line)
    if (this.#isPaid) await this.#startEconomy(boot.ready.rpc)
    this.#options.onRunning?.(() =>
      this.#members.list.map(({ name, child, ready, restarts, status }) => ({
        name,
        pid: child.process.pid,
        rpc: ready.rpc,
        restarts,
        status,
      })),
    )
  }

  /** The first target that suits this machine, added to the overrides unless it is there. Returns the duty cycle of the miners. */
  async #calibrate(overrides: string[]): Promise<number> {
    const { miners, dutyCycle, works = OPEN_WORKS, print } = this.#options
    const cores = availableParallelism()
    const isPinned = overrides.some((line) => line.startsWith('difficulty.genesisBits='))
    if (isPinned || miners === 0) return dutyCycle ?? sharedDuty(miners, cores)
    const calibrated = await calibrate({ params: this.#params, miners, dutyCycle, isPaid: this.#isPaid, cores, works })
    overrides.push(`difficulty.genesisBits=${calibrated.genesisBits}`)
    print(`calibrated: ${calibrated.text}`)
    return calibrated.dutyCycle
  }

  /** Whether somebody pays for units here. */
  get #isPaid(): boolean {
    return this.#options.demand !== undefined && hasEconomy(this.#params)
  }

  get #register(): readonly string[] {
    return this.#isPaid ? ['--register'] : []
  }

  /** Bond and ask of miner `i`, counted from 1, as options of its process: each asks a little more than the one before. */
  #askOf(i: number): readonly string[] {
    if (!this.#isPaid) return []
    const price = BASE_ASK_GRAINS + (BASE_ASK_GRAINS * (i - 1)) / 20
    return [
      ...this.#register,
      '--ask',
      String(price),
      '--capacity',
      String(ASKED_UNITS * this.#params.units.maxUnitMacs),
      ...(this.#options.plant === true ? ['--plant'] : []),
    ]
  }

  async #startEconomy(rpc: string): Promise<void> {
    const { demand = 0, gatewayPort, print } = this.#options
    const members = this.#members.list.flatMap(({ role, ready }) => (role === 'boot' ? [] : [{ role, rpc: ready.rpc }]))
    const economy = await startEconomy({
      ...{ rpc, params: this.#params, members, demand, dir: this.#dir },
      port: gatewayPort,
      onAnswer: (answer) => this.#screen.answer(answer),
    })
    this.#economy = economy
    void economy.ended.then((how) => {
      if (!this.#stopping) this.#fatal ??= new CliError(`the gateway ended (${how}); its log is in ${this.#dir}`)
    })
    for (const line of gatewayLines(economy.baseUrl, demand)) print(line)
  }

  /** The open work of miner `i`, counted from 1, as options of its process. */
  #workOf(i: number): string[] {
    const { works = OPEN_WORKS, print } = this.#options
    if (this.#params.bindings.provenance !== 'open') return []
    const work = works[(i - 1) % works.length]!
    print(`  miner-${i}: ${work}`)
    return ['--work', work]
  }

  /** Until the height, the signal or a failure. */
  async watch(): Promise<DevnetSummary | undefined> {
    const { signal, untilHeight, stallMs } = this.#options
    while (!signal.aborted) {
      if (this.#fatal !== undefined) throw this.#fatal
      await this.#members.poll()
      const heights = this.#members.list.map(({ status }) => status?.height ?? 0)
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
    this.#members.stopRestarts()
    this.#screen.flush(this.#failed)
    const boot = this.#members.list[0]?.status
    if (boot !== undefined && boot.height > 0)
      this.#screen.totals({
        ...{ height: boot.height, counters: countersOf(this.#members.list), demand: this.#economy?.demand },
        ...{ usefulSharePpm: Number(boot.usefulSharePpm), paidMacsPpm: Number(boot.paidMacsPpm) },
      })
    if (this.#options.plant === true) await this.#printFound()
    this.#members.stopListening()
    await this.#economy?.stop()
    await this.#members.stop()
    const hasFailed = this.#fatal !== undefined
    if (this.#options.dir === undefined && !hasFailed && !this.#isStalled())
      rmSync(this.#dir, { recursive: true, force: true })
  }

  /** What each verifier has found of the faults that were planted where it was to look. */
  async #printFound(): Promise<void> {
    const boot = this.#members.list[0]?.ready.rpc
    if (boot === undefined || boot === '') return
    const view = await readVerifierList(boot).catch(() => undefined)
    for (const line of view === undefined ? [] : verifierLines(view)) this.#options.print(line)
  }

  #isStalled(): boolean {
    return performance.now() - this.#lastProgressMs > this.#options.stallMs
  }

  #onEvent(member: Member, name: string, data: unknown): void {
    if (name === 'verdict') this.#screen.verdict(member.name, data as VerdictEvent)
    if (member.role !== 'boot') return
    if (name === 'block') this.#screen.block(data as BlockEvent, this.#failed)
    if (name === 'market') this.#screen.market(data as MarketEvent)
    if (name === 'audit') this.#screen.audit(data as AuditEvent)
    if (name === 'reorg') this.#screen.reorganisation((data as { left: string[] }).left.length)
  }

  get #failed(): number {
    return this.#economy?.demand.failed ?? 0
  }

  async #summarise(height: number): Promise<DevnetSummary> {
    const deadlineMs = performance.now() + AGREEMENT_MS
    for (;;) {
      const blocks = await Promise.all(this.#members.list.map(({ ready }) => fetchBlock(ready.rpc, height)))
      const ids = new Set(blocks.map((block) => block?.id))
      if (ids.size === 1 && blocks[0] !== undefined) return this.#summary(height, blocks as BlockView[])
      if (performance.now() > deadlineMs || this.#options.signal.aborted) {
        const views = this.#members.list.map(({ name }, i) => `${name}: ${blocks[i]?.id.slice(0, 16) ?? 'no answer'}`)
        throw new CliError(`the nodes disagree about block ${height}: ${views.join(', ')}`)
      }
      await delay(POLL_MS)
    }
  }

  async #summary(height: number, views: readonly BlockView[]): Promise<DevnetSummary> {
    await this.#members.poll()
    return summaryOf({
      ...{ height, views, members: this.#members.list, economy: this.#economy },
      nameOf: (minerKey) => this.#members.nameOf(minerKey),
      wallSeconds: Math.round((performance.now() - this.#startMs) / 100) / 10,
    })
  }
}
