import type { BlockView } from '@nacre/node'

/** Printable text on one line: control characters and broken bytes become visible, quotes stay. */
export function printable(text: string, maxChars: number): string {
  const clean = [...text]
    .map((char) => (char < ' ' || char === '\x7f' || (char >= '\x80' && char <= '\x9f') ? '·' : char))
    .join('')
  return clean.length > maxChars ? `${clean.slice(0, maxChars - 1)}…` : clean
}

/** Grains as NCR with two digits. */
export function formatNcr(grains: bigint): string {
  const hundredths = grains / 1_000_000n
  return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, '0')}`
}

export interface BlockLine {
  readonly block: BlockView
  readonly miner: string
  readonly replayMs: number
  readonly sinceParentMs: number
  readonly supplyGrains: bigint
  readonly peers: number
}

/** One line per block: height, winner, lane, tokens, verification time, supply, peers, and what the model wrote. */
export function formatBlock({ block, miner, replayMs, sinceParentMs, supplyGrains, peers }: BlockLine): string {
  const cells = [
    `#${block.height}`.padEnd(5),
    `${(sinceParentMs / 1000).toFixed(1)} s`.padStart(7),
    miner.padEnd(8),
    block.lane.padEnd(9),
    `${block.newTokens} tokens`,
    `checked in ${Math.round(replayMs)} ms`.padEnd(17),
    `supply ${formatNcr(supplyGrains)}`,
    `${peers} peers`,
  ]
  return `${cells.join('  ')}  "${printable(block.text, 40)}"`
}
