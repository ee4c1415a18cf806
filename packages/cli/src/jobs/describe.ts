/** Jobs in words. */
import type { JobReceiptView, JobView } from '@nacre/node/rpc-client'
import type { TextModel } from '../network-model.ts'
import { formatNcr } from '../wallet/amount.ts'

export const shortId = (id: string): string => `${id.slice(0, 12)}…`
const price = (grains: string): string => `${grains} grains per GMAC`
const ncr = (grains: string): string => formatNcr(BigInt(grains))
/** `12.3 million`. */
export const macsText = (macs: number): string =>
  macs < 1e6 ? `${macs}` : macs < 1e9 ? `${(macs / 1e6).toFixed(1)} million` : `${(macs / 1e9).toFixed(2)} billion`

/** One line about where a job stands. */
export function statusLine(view: JobView): string {
  const { ranks = [], receipt } = view
  switch (view.status) {
    case 'waiting':
      return 'waits for a block'
    case 'open':
      return `in the book${at(view.postedHeight)}, until block ${view.expiryHeight ?? '?'}`
    case 'cleared':
      return `price ${price(view.priceGrains ?? '?')}; the next block assigns it`
    case 'assigned': {
      const [first, ...others] = ranks
      const until = first === undefined ? '' : ` until block ${first.lastHeight}`
      const then = others.length === 0 ? '' : `, then ${others.map(({ minerKey }) => shortId(minerKey)).join(', ')}`
      return `assigned${at(view.openedHeight)} at ${price(view.priceGrains ?? '?')} to miner ${shortId(first?.minerKey ?? '?')}${until}${then}`
    }
    case 'answered':
      return `answered by miner ${shortId(receipt?.minerKey ?? '?')}; the receipt waits for a block`
    case 'delivered':
      return `delivered by miner ${shortId(receipt?.minerKey ?? '?')}${at(receipt?.height)}, not settled yet`
    case 'settled':
      return `settled; delivered by miner ${shortId(receipt?.minerKey ?? '?')}${at(receipt?.height)}`
    case 'returned':
      return view.openedHeight === undefined
        ? 'returned: no miner asked for it at this price'
        : 'returned: no miner that it was assigned to delivered'
    case 'unknown':
      return 'the node does not know it at the moment'
  }
}

const at = (height: number | undefined): string => (height === undefined ? '' : ` in block ${height}`)

/** What the chain says about a receipt's unit: without a verdict it is a claim that nobody audited. */
function auditText({ isAudited, audit }: JobReceiptView): string {
  if (audit?.isCondemned === true) return 'condemned'
  if (audit?.plant === 'suspected') return 'its trace is wrong, which may be planted'
  if (audit?.plant === 'revealed') return 'with a planted fault: what its miner was paid goes back'
  if (audit === undefined || !isAudited) return 'unaudited'
  return `audited, ${audit.verdicts} right ${audit.verdicts === 1 ? 'verdict' : 'verdicts'}`
}

/** Where, by whom and what for, and whether anybody audited it. */
export function receiptLines({ receipt }: JobView): string[] {
  if (receipt === undefined) return []
  const where = receipt.height === undefined ? 'waits for a block' : `in block ${receipt.height}`
  return [
    `receipt   ${receipt.transactionId}, ${where}, ${auditText(receipt)}`,
    `miner     ${receipt.minerKey}, rank ${receipt.rank}`,
    `trace     ${receipt.traceRoot}`,
  ]
}

/** Everything that a node tells about a job. */
export function jobLines(view: JobView, model: TextModel | undefined): string[] {
  const { promptTokens, receipt, fee } = view
  const text = (tokens: readonly number[]): string =>
    model === undefined ? `${tokens.length} tokens` : JSON.stringify(shownText(model, tokens))
  return [
    `job       ${view.id}`,
    `status    ${statusLine(view)}`,
    ...(view.model === undefined ? [] : [`model     ${view.model}`]),
    ...(view.client === undefined ? [] : [`client    ${view.client}`]),
    ...(promptTokens === undefined ? [] : [`prompt    ${text(promptTokens)}`]),
    ...(receipt === undefined ? [] : [`answer    ${text(receipt.tokens)}`]),
    ...receiptLines(view),
    ...(view.priceGrains === undefined
      ? view.maxPriceGrains === undefined
        ? []
        : [`bid       at most ${price(view.maxPriceGrains)}`]
      : [`price     ${price(view.priceGrains)} (bid ${view.maxPriceGrains ?? '?'})`]),
    ...(view.heldGrains === undefined ? [] : [`held back ${ncr(view.heldGrains)}`]),
    ...(fee === undefined
      ? []
      : [
          `cost      ${formatNcr(BigInt(fee.inputGrains) + BigInt(fee.outputGrains))}: input ${ncr(fee.inputGrains)}, output ${ncr(fee.outputGrains)}`,
          `          burned ${ncr(fee.burnedGrains)}, verifiers ${ncr(fee.verifierGrains)}, miner ${ncr(fee.minerGrains)}, back ${ncr(fee.returnedGrains)}`,
        ]),
  ]
}

/** The text of tokens, without what a terminal obeys: a miner may have made them up. Lines stay. */
export function shownText({ tokenizer, model }: TextModel, tokens: readonly number[]): string {
  const { bosToken, eosToken } = model.config
  const text = tokenizer.decode(tokens.filter((token) => token !== bosToken && token !== eosToken))
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => (char === '\n' || char === '\t' ? char : '·'))
}
