import { dateBlock } from './dating.ts'
import { findGrowth } from './growth.ts'
import { findKeyWork } from './key-work.ts'
import { messageOf } from './message.ts'
import { DATING_RADIUS, MONITOR_DEFAULTS, type MonitorOptions, ringBlocks } from './options.ts'
import { reportOf, type WorkReport } from './report.ts'
import { findReward } from './reward.ts'
import type { Alarm, BlockSample, DatedBlock, Finding } from './types.ts'

/**
 * Watches the work of a chain for what its capacity does not explain. Everything is a function of the newest
 * {@link ringBlocks} blocks: the same chain gives the same report, however it was arrived at, and memory and time per block
 * do not depend on its length.
 */
export class WorkMonitor {
  readonly options: MonitorOptions
  readonly #samples: BlockSample[] = []
  readonly #dated: DatedBlock[] = []
  /** What was found at each of the samples. */
  readonly #findings: (readonly Finding[])[] = []

  constructor(options: Pick<MonitorOptions, 'blockTimeMs'> & Partial<MonitorOptions>) {
    this.options = { ...MONITOR_DEFAULTS, ...options }
  }

  /** The newest block; undefined before the first. */
  get tip(): BlockSample | undefined {
    return this.#samples.at(-1)
  }

  /** Takes in the next block. Throws RangeError if its height is not the next one, or its work is none. */
  push(sample: BlockSample): void {
    const { tip } = this
    if (tip !== undefined && sample.height !== tip.height + 1)
      throw new RangeError(`block ${sample.height} does not follow block ${tip.height}`)
    if (!(sample.height >= 1 && sample.workMacs > 0)) throw new RangeError('a block has a height and work')
    this.#samples.push(sample)
    const dated = dateBlock(this.#samples, this.#samples.length - 1 - DATING_RADIUS)
    if (dated !== undefined) this.#dated.push(dated)
    this.#findings.push(this.#find())
    while (this.#samples.length > ringBlocks(this.options)) {
      if (this.#dated[0]?.sample === this.#samples[0]) this.#dated.shift()
      this.#samples.shift()
      this.#findings.shift()
    }
  }

  /** Takes the newest block out again: it left the best chain. */
  pop(): BlockSample | undefined {
    const dated = dateBlock(this.#samples, this.#samples.length - 1 - DATING_RADIUS)
    if (dated !== undefined) this.#dated.pop()
    this.#findings.pop()
    return this.#samples.pop()
  }

  /** What stands at the newest block: found in one of the last `holdBlocks` blocks. */
  alarms(): Alarm[] {
    const { holdBlocks, historyBlocks } = this.options
    const alarms = new Map<string, Alarm>()
    const end = this.#samples.length
    /** The oldest beginning so far: what is more than `holdBlocks` before it belongs to no alarm that stands. */
    let oldest = (this.tip?.height ?? 0) + 1
    for (let i = end - 1; i >= Math.max(0, end - historyBlocks); i--) {
      const { height } = this.#samples[i]!
      if (oldest - height > holdBlocks) break
      for (const finding of this.#findings[i]!) {
        const name = alarmName(finding)
        const alarm = alarms.get(name)
        const isHeld = (alarm?.sinceHeight ?? this.tip!.height + 1) - height <= holdBlocks
        if (!isHeld) continue
        oldest = height
        if (alarm === undefined)
          alarms.set(name, { ...finding, sinceHeight: height, lastHeight: height, message: messageOf(finding) })
        else alarms.set(name, { ...alarm, sinceHeight: height })
      }
    }
    return [...alarms.values()].sort((a, b) => a.sinceHeight - b.sinceHeight || (alarmName(a) < alarmName(b) ? -1 : 1))
  }

  report(): WorkReport {
    return reportOf(this.#samples, this.#dated, this.alarms(), this.options)
  }

  #find(): readonly Finding[] {
    const growthAndKeys =
      this.#dated.length === 0
        ? []
        : [...findGrowth(this.#dated, this.options), ...findKeyWork(this.#dated, this.options)]
    return [...growthAndKeys, ...findReward(this.#samples, this.options)]
  }
}

/** Tells alarms apart: one of each code, and of each key where the code is about a key. */
export function alarmName({ code, evidence }: Finding): string {
  return 'minerKey' in evidence ? `${code} ${evidence.minerKey}` : code
}
