/** Full nodes on the in-memory hub and a virtual clock, and bare peers beside them that say whatever a test tells them to. */
import { blockCodec, headerCodec, type KeyPair } from '@nacre/protocol'
import { MemoryHub } from '../../src/adapters/memory-network.ts'
import { seededRandom } from '../../src/adapters/random.ts'
import { VirtualClock } from '../../src/adapters/virtual-clock.ts'
import { encodeByteList, encodeStatus, REQUEST, type StatusMessage } from '../../src/messages.ts'
import { FullNode } from '../../src/node.ts'
import type { Logger } from '../../src/ports/log.ts'
import type { Network } from '../../src/ports/network.ts'
import type { BlockWorkers } from '../../src/ports/workers.ts'
import { createSqliteStore } from '../../src/store/sqlite-store.ts'
import type { Forge, Forged } from './forge.ts'

export type LogLine = Readonly<Record<string, unknown>>

export interface TestNode {
  readonly node: FullNode
  readonly network: Network
  /** Log lines, oldest first. */
  readonly lines: LogLine[]
  /** `peer points reason` of each penalty. */
  readonly penalties: string[]
}

/** How a bare peer answers each request; whatever is not set is answered as by a node that knows only genesis. */
export interface Script {
  readonly status?: () => Uint8Array | Promise<Uint8Array>
  readonly headers?: (request: Uint8Array) => Uint8Array | Promise<Uint8Array>
  readonly blocks?: (request: Uint8Array) => Uint8Array | Promise<Uint8Array>
}

export class NodeNet {
  readonly forge: Forge
  readonly clock: VirtualClock
  readonly hub: MemoryHub
  readonly #nodes: FullNode[] = []

  constructor(forge: Forge) {
    this.forge = forge
    this.clock = new VirtualClock(forge.context.params.network.genesisTimeMs + 3_600_000)
    this.hub = new MemoryHub({
      clock: this.clock,
      random: seededRandom('node-net'),
      latencyMs: { min: 1, max: 5 },
    })
  }

  /** A started node, connected to `to`. */
  async node(
    name: string,
    to: readonly string[] = [],
    workers: BlockWorkers = this.forge.workers(),
    minerKeys?: KeyPair,
  ): Promise<TestNode> {
    const { clock, forge } = this
    const lines: LogLine[] = []
    const penalties: string[] = []
    const network = this.hub.join(name)
    const penalise = network.penalise.bind(network)
    network.penalise = (peer, points, reason) => {
      penalties.push(`${peer} ${points} ${reason}`)
      penalise(peer, points, reason)
    }
    const keep = (fields: LogLine): void => void lines.push(fields)
    const log: Logger = { debug: keep, info: keep, warn: keep, error: keep }
    const store = createSqliteStore(':memory:')
    const random = seededRandom(name)
    const node = new FullNode({
      context: forge.context,
      network,
      store,
      workers,
      clock,
      random,
      log,
      ...(minerKeys && { minerKeys }),
    })
    await node.start()
    this.#nodes.push(node)
    for (const other of to) this.hub.connect(name, other)
    return { node, network, lines, penalties }
  }

  /** A bare peer connected to `to`. */
  peer(name: string, to: readonly string[], script: Script = {}): Network {
    const network = this.hub.join(name)
    const handle = (protocol: keyof Script, fallback: () => Uint8Array): void =>
      network.handle(protocol, async (_from, bytes) => (await script[protocol]?.(bytes)) ?? fallback(), {
        maxRequestBytes: 65_536,
      })
    handle(REQUEST.status, () => this.status(this.forge.genesis))
    handle(REQUEST.headers, () => encodeByteList([]))
    handle(REQUEST.blocks, () => encodeByteList([]))
    for (const other of to) this.hub.connect(name, other)
    return network
  }

  /** What a node with this tip says of itself. */
  status(tip: Forged, lie: Partial<StatusMessage> = {}): Uint8Array {
    const { genesis } = this.forge.context
    const { height } = tip.header
    const totalWork = BigInt(height) * 16n
    return encodeStatus({ chainId: genesis.chainId, height, tip: tip.id, totalWork, minerClaim: undefined, ...lie })
  }

  headers(labels: string): Uint8Array {
    return encodeByteList(labels.split(' ').map((label) => headerCodec.encode(this.forge.get(label).header)))
  }

  blocks(labels: string): Uint8Array {
    return encodeByteList(labels.split(' ').map((label) => this.encoded(label)))
  }

  encoded(label: string): Uint8Array {
    return blockCodec.encode(this.forge.block(label))
  }

  tipOf({ node }: TestNode): string {
    return this.forge.labelOf(node.chain.tip.id)
  }

  /** Runs until this node's tip has this label; false if it never does. */
  untilTip(node: TestNode, label: string): Promise<boolean> {
    return this.clock.runUntil(() => this.tipOf(node) === label)
  }

  runFor(ms: number): Promise<boolean> {
    return this.clock.runUntil(this.clock.nowMs() + ms)
  }

  async stop(): Promise<void> {
    let isStopped = false
    const stopping = Promise.all(this.#nodes.map((node) => node.stop())).then(() => {
      isStopped = true
    })
    await this.clock.runUntil(() => isStopped)
    await stopping
  }
}
