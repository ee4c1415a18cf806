import type { BlockView } from '@nacre/node'
import type { JobAuditView, MarketView } from '@nacre/node/rpc-client'
import type { DemandAnswer } from './demand.ts'

/** A market as the event stream tells it. */
export type MarketEvent = Pick<MarketView, 'models'>

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

/** The audits of a delivered unit as the event stream tells them. */
export type AuditEvent = JobAuditView & { readonly jobId: string }

/** One line for a unit about which a verifier, a challenger or an accuser has said something on the chain. */
export function formatAudit({ jobId, verdicts, challenges, openChallenges, isCondemned }: AuditEvent): string {
  const cells = [`audit of job ${jobId.slice(0, 12)}…: ${verdicts} right ${verdicts === 1 ? 'verdict' : 'verdicts'}`]
  if (challenges > 0) cells.push(`${challenges} challenged, ${challenges - openChallenges} answered`)
  if (isCondemned) cells.push('CONDEMNED: its miner is barred, its client has its money back')
  return cells.join(', ')
}

/** A block as the event stream tells it. */
export interface BlockEvent extends BlockView {
  /** Time of the re-execution on the node that tells. */
  readonly replayMs: number
  readonly supplyGrains: string
  readonly peers: number
}

/** One line per block: height, time since its parent, winner, lane, tokens, check, supply, peers, question and answer. */
export function formatBlock(block: BlockEvent, miner: string, sinceParentMs: number | undefined): string {
  // Without an end of sequence the unit's fixed length cut the answer off.
  const isCut = block.text === block.answer
  const since = sinceParentMs === undefined ? '' : `${(sinceParentMs / 1000).toFixed(1)} s`
  const { open } = block
  const cells = [
    `#${block.height}`.padEnd(5),
    since.padStart(7),
    miner.padEnd(8),
    block.lane,
    ...(open === undefined
      ? [`${block.newTokens} tokens`, `re-executed in ${Math.round(block.replayMs)} ms`.padEnd(21)]
      : [`tile of ${open.h} x ${open.w}, k ${open.k}, rank ${open.rank}`]),
    `supply ${formatNcr(BigInt(block.supplyGrains))} NCR`,
    `${block.peers} peers`,
  ]
  if (open !== undefined) return cells.join('  ')
  return `${cells.join('  ')}\n         ${printable(block.question, 60)} ▸ ${printable(block.answer, 60)}${isCut ? '…' : ''}`
}

/** One line for the paid answers since the last block, and the last of them. */
export function formatAnswers(
  answers: readonly DemandAnswer[],
  miner: string,
  market: MarketEvent | undefined,
): string {
  const { question, text, waitMs } = answers.at(-1)!
  const right = answers.filter(({ isRight }) => isRight).length
  const price = market?.models[0]
  const cells = [
    `${answers.length} paid answers, ${right} right`,
    ...(price === undefined ? [] : [`${formatNcr(BigInt(price.clearingPriceGrains))} NCR per GMAC`]),
    `${printable(question.prompt, 40)} ▸ ${printable(text, 40)} by ${miner} after ${(waitMs / 1000).toFixed(1)} s`,
  ]
  return cells.join('  ')
}
