/** The processes of a local network: started, listened to, asked how they are, and started again when one ends by itself. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { followEvents } from '@nacre/node/rpc-client'
import { CliError } from '../errors.ts'
import { type NodeChild, type ReadyLine, startNode, stopChild } from './child.ts'
import { fetchStatus, type NodeStatus } from './rpc-client.ts'
import { addCounters, type Counters, NO_COUNTERS } from './summary.ts'

/** A process of the network and what it said last. */
export interface Member {
  readonly name: string
  readonly role: 'boot' | 'miner' | 'verifier'
  readonly args: readonly string[]
  child: NodeChild
  ready: ReadyLine
  status: NodeStatus | undefined
  restarts: number
  /** Figures of earlier processes of this member, lost when one is killed. */
  before: Counters
  events: AbortController
}

export interface MembersOptions {
  /** Where they keep their data and logs. */
  readonly dir: string
  /** One line of progress. */
  readonly print: (line: string) => void
  /** An event of a member's RPC. */
  readonly onEvent: (member: Member, name: string, data: unknown) => void
  /** One has ended too often: the network cannot go on. */
  readonly onFatal: (error: CliError) => void
}

const STOP_GRACE_MS = 5_000
const MAX_RESTARTS = 5
const RESTART_DELAY_MS = 500

export class Members {
  /** In the order in which they were launched. */
  readonly list: Member[] = []
  readonly #options: MembersOptions
  readonly #names = new Map<string, string>()
  #isStopping = false
  #hasFailed = false

  constructor(options: MembersOptions) {
    this.#options = options
  }

  /** Resolves when it is ready. Throws CliError if it ends before. @param args of `nacre node`, beside role and data. */
  async launch(name: string, role: Member['role'], args: readonly string[]): Promise<Member> {
    const { dir } = this.#options
    const full = ['--role', role, '--data', join(dir, name), ...args]
    const member: Member = {
      ...{ name, role, args: full, child: this.#start(name, full), ready: { rpc: '', addresses: [] } },
      ...{ status: undefined, restarts: 0, before: NO_COUNTERS, events: new AbortController() },
    }
    this.list.push(member)
    await this.#onReady(member)
    void this.#keepAlive(member)
    return member
  }

  /** Asks all of them for their status; of one that does not answer the last one stays. */
  async poll(): Promise<void> {
    await Promise.all(
      this.list.map(async (member) => {
        const { rpc } = member.ready
        try {
          const status = await fetchStatus(rpc)
          if (rpc === member.ready.rpc && member.child.process.exitCode === null) member.status = status
        } catch {
          // Restarting or busy.
        }
      }),
    )
  }

  /** Of the member that mines with a key, hex; its beginning where it is nobody's. */
  nameOf(minerKey: string): string {
    for (const { name, role, ready } of this.list)
      if (role === 'miner' && ready.minerKey !== undefined) this.#names.set(ready.minerKey, name)
    return this.#names.get(minerKey) ?? minerKey.slice(0, 8)
  }

  /** From now on none is started again. */
  stopRestarts(): void {
    this.#isStopping = true
  }

  stopListening(): void {
    for (const member of this.list) member.events.abort()
  }

  async stop(): Promise<void> {
    this.stopRestarts()
    await Promise.all(this.list.map(({ child }) => stopChild(child, STOP_GRACE_MS)))
  }

  #start(name: string, args: readonly string[]): NodeChild {
    return startNode(name, args, join(this.#options.dir, `${name}.log`))
  }

  async #onReady(member: Member): Promise<void> {
    try {
      member.ready = await member.child.ready
    } catch (error) {
      throw new CliError(error instanceof Error ? error.message : String(error))
    }
    member.events.abort()
    member.events = new AbortController()
    const onEvent = (name: string, data: unknown): void => this.#options.onEvent(member, name, data)
    // The node went away or the network stops: whoever called decides what follows.
    void followEvents(member.ready.rpc, member.events.signal, { onEvent }).catch(() => undefined)
  }

  /** Restarts a process that ended by itself: the network goes on without it meanwhile. */
  async #keepAlive(member: Member): Promise<void> {
    const { dir, print, onFatal } = this.#options
    for (;;) {
      const how = await member.child.exited
      if (this.#isStopping || this.#hasFailed) return
      member.restarts++
      const miner = member.status?.miner
      if (miner !== undefined) member.before = addCounters(member.before, miner)
      member.status = undefined
      if (member.restarts > MAX_RESTARTS) {
        this.#hasFailed = true
        onFatal(new CliError(`${member.name} ended ${member.restarts} times (${how}); its log is in ${dir}`))
        return
      }
      print(`${member.name} ended (${how}); starting it again`)
      await delay(RESTART_DELAY_MS)
      if (this.#isStopping) return
      try {
        member.child = this.#start(member.name, member.args)
        await this.#onReady(member)
        print(`${member.name} is back`)
      } catch (error) {
        if (this.#isStopping) return
        print(error instanceof Error ? error.message : String(error))
      }
    }
  }
}
