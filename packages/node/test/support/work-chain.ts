/** Samples of a chain whose miners have known speeds: finding is a Poisson process, difficulty follows as by `wtema`. */
import { seededRandom } from '../../src/adapters/random.ts'
import type { BlockSample } from '../../src/monitor/index.ts'

export const BLOCK_TIME_MS = 10_000
/** Work that a miner of speed 1 does in one block time, in MACs. */
export const UNIT_MACS = 1e9

export interface Phase {
  readonly blocks: number
  /** Speed of each key, in UNIT_MACS per block time. */
  readonly speeds: Readonly<Record<string, number>>
  /** What each key declares in its asks, in UNIT_MACS per block. */
  readonly declared?: Readonly<Record<string, number>>
  /** A key of its own for each block, from then on. */
  readonly isFreshKeyPerBlock?: boolean
  /** Grains per GMAC that clients pay and that blocks pay. */
  readonly costGrainsPerGmac?: number
  readonly rewardGrainsPerGmac?: number
  /** What the header says in place of the true time. */
  readonly writtenTimeMs?: (trueMs: number, height: number, uniform: number) => number
}

/** `count` keys of one speed. */
export function equalKeys(count: number, speed: number, prefix = 'k'): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, speed]))
}

export function workChain(seed: string, phases: readonly Phase[]): BlockSample[] {
  const random = seededRandom(`work-chain/${seed}`)
  const uniform = (): number => (random.below(2 ** 32) + 0.5) / 2 ** 32
  const total = (speeds: Readonly<Record<string, number>>): number => Object.values(speeds).reduce((a, b) => a + b, 0)
  const samples: BlockSample[] = []
  let trueMs = 1_700_000_000_000
  let workMacs = total(phases[0]!.speeds) * UNIT_MACS
  for (const phase of phases) {
    const speed = total(phase.speeds)
    const declared = phase.declared ?? {}
    for (let i = 0; i < phase.blocks; i++) {
      const height = samples.length + 1
      const elapsedMs = (-Math.log(uniform()) * workMacs * BLOCK_TIME_MS) / (speed * UNIT_MACS)
      trueMs += elapsedMs
      const minerKey = phase.isFreshKeyPerBlock ? `fresh${height}` : keyAt(phase.speeds, uniform() * speed)
      const declaredMacs = UNIT_MACS * total(declared)
      samples.push({
        height,
        id: `id${height}`,
        timeMs: Math.floor(phase.writtenTimeMs?.(trueMs, height, uniform()) ?? trueMs),
        workMacs,
        minerKey,
        isPaid: false,
        rewardGrains: (phase.rewardGrainsPerGmac ?? 1) * (workMacs / 1e9),
        costGrainsPerGmac: phase.costGrainsPerGmac ?? 0,
        minerDeclaredMacs: UNIT_MACS * (declared[minerKey] ?? 0),
        capacity: {
          asks: Object.keys(declared).length,
          keys: Object.keys(declared).length,
          declaredMacs,
          roomMacs: declaredMacs,
          averageWorkMacs: 0,
        },
      })
      const bound = 2 * BLOCK_TIME_MS
      workMacs *= 1 + Math.max(-bound, Math.min(bound, BLOCK_TIME_MS - elapsedMs)) / (16 * BLOCK_TIME_MS)
    }
  }
  return samples
}

function keyAt(speeds: Readonly<Record<string, number>>, at: number): string {
  let rest = at
  for (const [key, speed] of Object.entries(speeds)) {
    rest -= speed
    if (rest < 0) return key
  }
  return Object.keys(speeds).at(-1)!
}
