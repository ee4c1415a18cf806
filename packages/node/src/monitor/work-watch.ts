import type { TreeNode } from '../chain/block-tree.ts'
import type { Chain } from '../chain/chain.ts'
import { StateOverlay } from '../chain/state-overlay.ts'
import type { EventHub } from '../events.ts'
import type { Logger } from '../ports/log.ts'
import { ringBlocks } from './options.ts'
import type { WorkReport } from './report.ts'
import { sampleBlock } from './sample.ts'
import type { Alarm, BlockSample } from './types.ts'
import { alarmName, WorkMonitor } from './work-monitor.ts'

/** The work monitor of a node: follows the best chain, and says when an alarm starts or ends. */
export class WorkWatch {
  readonly #chain: Chain
  readonly #events: EventHub
  readonly #log: Logger
  #monitor: WorkMonitor
  #standing = new Map<string, Alarm>()

  constructor(options: { readonly chain: Chain; readonly events: EventHub; readonly log: Logger }) {
    this.#chain = options.chain
    this.#events = options.events
    this.#log = options.log
    this.#monitor = this.#empty()
  }

  /** Brings the figures to the tip of the best chain: after a start, a block, or a reorganisation. */
  follow(): void {
    let { tip } = this.#monitor
    while (tip !== undefined && this.#chain.atHeight(tip.height)?.hex !== tip.id) {
      this.#monitor.pop()
      tip = this.#monitor.tip
    }
    const { height } = this.#chain.tip.header
    const oldest = Math.max(1, height - ringBlocks(this.#monitor.options) + 1)
    if (tip !== undefined && tip.height < oldest - 1) this.#monitor = this.#empty()
    const from = Math.max(oldest, (this.#monitor.tip?.height ?? 0) + 1)
    for (const sample of this.#samples(from)) this.#monitor.push(sample)
    this.#announce()
  }

  report(): WorkReport {
    return this.#monitor.report()
  }

  #empty(): WorkMonitor {
    return new WorkMonitor({ blockTimeMs: this.#chain.context.params.block.timeMs })
  }

  /** Samples from a height to the tip, each with the state after it: the newest first, undone block by block. */
  #samples(fromHeight: number): BlockSample[] {
    const state = new StateOverlay(this.#chain.tipState().reader)
    const samples: BlockSample[] = []
    for (let at: TreeNode = this.#chain.tip; at.header.height >= fromHeight; at = at.parent!) {
      samples.push(sampleBlock(this.#chain.context, at, state))
      if (at.header.height > fromHeight) state.undo(this.#chain.changes(at))
    }
    return samples.reverse()
  }

  #announce(): void {
    const standing = new Map(this.#monitor.alarms().map((alarm) => [alarmName(alarm), alarm]))
    const { height } = this.#chain.tip.header
    const tell = (state: 'started' | 'ended', alarm: Alarm): void => {
      const { code, message, evidence } = alarm
      const line = { event: 'anomaly', state, code, height, message, evidence }
      if (state === 'started') this.#log.warn(line)
      else this.#log.info(line)
      this.#events.emit('anomaly', { state, height, alarm })
    }
    for (const [name, alarm] of standing) if (!this.#standing.has(name)) tell('started', alarm)
    for (const [name, alarm] of this.#standing) if (!standing.has(name)) tell('ended', alarm)
    this.#standing = standing
  }
}
