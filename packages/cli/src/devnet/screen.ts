/** What a local network shows of itself: lines for a person who may see such a network for the first time. */
import type { BlockView, NodeEvents } from '@nacre/node'
import type { JobAuditView, MarketView } from '@nacre/node/rpc-client'
import type { DemandAnswer, DemandStats } from './demand.ts'
import type { Counters } from './summary.ts'

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

/** The `verdict` event as it comes over RPC: `reason` is missing where it is undefined. */
export type VerdictEvent = Pick<NodeEvents['verdict'], 'height' | 'steps' | 'outcome' | 'checkMs'> & {
  readonly reason?: string
}

/** A block as the event stream tells it. */
export interface BlockEvent extends BlockView {
  /** Time of the re-execution on the node that tells. */
  readonly replayMs: number
  readonly supplyGrains: string
  readonly peers: number
}

const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`

/** A line that belongs to the block above it. */
const detail = (name: string, text: string): string => `         ${name.padEnd(9)} ${text}`

/** A block in a row: height, time since its parent, winner, lane, tokens, check, supply, peers; below it question and answer. */
export function formatBlock(block: BlockEvent, miner: string, sinceParentMs: number | undefined): string {
  // Without an end of sequence the unit's fixed length cut the answer off.
  const isCut = block.text === block.answer
  const since = sinceParentMs === undefined ? '' : `${(sinceParentMs / 1000).toFixed(1)} s`
  const { open } = block
  const cells = [
    `#${block.height}`.padEnd(5),
    since.padStart(7),
    miner.padEnd(8),
    block.lane.padEnd(9),
    ...(open === undefined
      ? [`${block.newTokens} tokens`.padStart(9), `re-executed in ${`${Math.round(block.replayMs)}`.padStart(4)} ms`]
      : [`tile of ${open.h} x ${open.w}, k ${open.k}, rank ${open.rank}`]),
    `supply ${formatNcr(BigInt(block.supplyGrains))} NCR`,
    count(block.peers, 'peer'),
  ]
  if (open !== undefined) return cells.join('  ')
  const dialogue = `${printable(block.question, 60)} ▸ ${printable(block.answer, 60)}${isCut ? '…' : ''}`
  return `${cells.join('  ')}\n${detail('won with', dialogue)}`
}

/** One line for the paid answers and the failed requests since the last block, and the last answer. */
export function formatAnswers(
  answers: readonly DemandAnswer[],
  failed: number,
  miner: string,
  market: MarketEvent | undefined,
): string {
  const right = answers.filter(({ isRight }) => isRight).length
  const price = market?.models[0]?.clearingPriceGrains ?? '0'
  const last = answers.at(-1)
  const cells = [
    `${count(answers.length, 'answer')}, ${right} right`,
    ...(failed === 0 ? [] : [`${count(failed, 'request')} failed`]),
    ...(price === '0' ? [] : [`${formatNcr(BigInt(price))} NCR per GMAC`]),
    ...(last === undefined
      ? []
      : [
          `${printable(last.question.prompt, 40)} ▸ ${printable(last.text, 40)} by ${miner} after ${(last.waitMs / 1000).toFixed(1)} s`,
        ]),
  ]
  return detail('paid', cells.join('; '))
}

/** One line for blocks in which verifiers found nothing wrong. */
export function formatChecks(verdicts: readonly VerdictEvent[]): string {
  const heights = [...new Set(verdicts.map(({ height }) => height))].sort((a, b) => a - b)
  const steps = verdicts.reduce((sum, verdict) => sum + verdict.steps, 0)
  const slowestMs = Math.max(...verdicts.map(({ checkMs }) => checkMs))
  const blocks = heights.map((height) => `#${height}`).join(', ')
  return detail('verified', `${count(steps, 'sampled step')} of ${blocks} right, in at most ${slowestMs} ms each`)
}

/** One line for delivered units about which verifiers have said something on the chain. */
export function formatAudits(audits: readonly AuditEvent[]): string {
  const verdicts = audits.reduce((sum, audit) => sum + audit.verdicts, 0)
  const challenges = audits.reduce((sum, audit) => sum + audit.challenges, 0)
  const open = audits.reduce((sum, audit) => sum + audit.openChallenges, 0)
  const cells = [`${count(audits.length, 'paid answer')}, ${count(verdicts, 'right verdict')} on the chain`]
  if (challenges > 0) cells.push(`${challenges} challenged, ${challenges - open} responded to`)
  return detail('audited', cells.join('; '))
}

/** What accuses somebody, or leaves a block unconfirmed. */
export function formatAlarm({ outcome, height, reason, checkMs }: VerdictEvent): string {
  return outcome === 'fraud'
    ? `FRAUD in #${height}: ${reason} (${checkMs} ms)`
    : `#${height} NOT confirmed: ${reason} (${checkMs} ms)`
}

/** What a local network has done so far. */
export interface Totals {
  readonly height: number
  readonly counters: Counters
  readonly demand: DemandStats | undefined
  readonly usefulSharePpm: number
  readonly paidMacsPpm: number
}

/** One line at the end: what was computed, for whom, and what the chain says of it (E2, ECO-7). */
export function formatTotals(
  { height, counters, demand, usefulSharePpm, paidMacsPpm }: Totals,
  market: MarketEvent | undefined,
): string {
  const price = market?.models[0]?.clearingPriceGrains ?? '0'
  const { units, paidUnits } = counters
  const cells = [
    `${count(height, 'block')}: ${count(units, 'unit')}, ${paidUnits} of them paid`,
    `${(paidMacsPpm / 1e4).toFixed(0)} % of the MACs settled as paid, usefulShare of the blocks ${(usefulSharePpm / 1e6).toFixed(3)}`,
    price === '0' ? 'no clearing price yet' : `clearing price ${formatNcr(BigInt(price))} NCR per GMAC`,
    ...(demand === undefined
      ? []
      : [`${count(demand.answered, 'answer')}, ${demand.right} right, ${demand.verified} verified`]),
  ]
  return cells.join('; ')
}

/** What the rows of blocks mean, before the first one. */
export const LEGEND: readonly string[] = [
  'Each # row is a block. Its miner won it with the inference under it ("won with", prompt ▸ answer), and every node has',
  'executed that inference again. "bootstrap": the prompt comes from the chain; "paid": somebody pays for the answer.',
]

/** How to ask the gateway at `baseUrl`, which `clients` clients ask already. */
export function gatewayLines(baseUrl: string, clients: number): string[] {
  const body = '{"model": "small", "messages": [{"role": "user", "content": "12+34="}]}'
  const demand =
    clients === 0
      ? []
      : [
          `"paid" rows: what ${count(clients, 'client')} asked it since the last block, as soon as miners have registered`,
        ]
  return [
    `OpenAI API: ${baseUrl} (no key; it pays miners from a wallet of test coins)`,
    ...demand,
    'ask it from another terminal:',
    `  curl ${baseUrl}/chat/completions -H 'content-type: application/json' -d '${body}'`,
  ]
}

/** How many heights back a parent can be: deeper reorganisations show no time for their first block. */
const KEPT_HEIGHTS = 128

/** Blocks as they come, each with what happened since the one before. */
export class Screen {
  readonly #print: (line: string) => void
  readonly #nameOf: (minerKey: string) => string
  /** Of the last blocks by height. */
  readonly #timesMs = new Map<number, number>()
  #market: MarketEvent | undefined
  #answers: DemandAnswer[] = []
  #right: VerdictEvent[] = []
  /** The latest of each job. */
  readonly #audits = new Map<string, AuditEvent>()
  #failedBefore = 0

  constructor(print: (line: string) => void, nameOf: (minerKey: string) => string) {
    this.#print = print
    this.#nameOf = nameOf
  }

  /** @param failed requests of clients that failed since the start. */
  block(block: BlockEvent, failed: number): void {
    this.flush(failed)
    const parentMs = this.#timesMs.get(block.height - 1)
    this.#timesMs.set(block.height, block.timeMs)
    this.#timesMs.delete(block.height - KEPT_HEIGHTS)
    const sinceParentMs = parentMs === undefined ? undefined : block.timeMs - parentMs
    this.#print(formatBlock(block, this.#nameOf(block.minerKey), sinceParentMs))
  }

  market(market: MarketEvent): void {
    this.#market = market
  }

  answer(answer: DemandAnswer): void {
    this.#answers.push(answer)
  }

  verdict(verifier: string, verdict: VerdictEvent): void {
    if (verdict.outcome === 'right') this.#right.push(verdict)
    else this.#print(detail(verifier, formatAlarm(verdict)))
  }

  audit(audit: AuditEvent): void {
    if (audit.isCondemned)
      this.#print(
        detail(
          'audited',
          `job ${audit.jobId.slice(0, 12)}… CONDEMNED: its miner is barred, its client has its money back`,
        ),
      )
    else this.#audits.set(audit.jobId, audit)
  }

  reorganisation(blocks: number): void {
    this.#print(`reorganisation: ${count(blocks, 'block')} replaced`)
  }

  totals(totals: Totals): void {
    this.#print(formatTotals(totals, this.#market))
  }

  /** What has gathered under the last block. */
  flush(failed: number): void {
    if (this.#right.length > 0) this.#print(formatChecks(this.#right))
    if (this.#audits.size > 0) this.#print(formatAudits([...this.#audits.values()]))
    const newlyFailed = failed - this.#failedBefore
    const last = this.#answers.at(-1)
    if (last !== undefined || newlyFailed > 0)
      this.#print(
        formatAnswers(this.#answers, newlyFailed, last === undefined ? '' : this.#nameOf(last.minerKey), this.#market),
      )
    this.#right = []
    this.#audits.clear()
    this.#answers = []
    this.#failedBefore = failed
  }
}
