/** ECO-7: standing asks. They change with a delay, so that none answers the jobs that are already visible. */
import { bytesToHex, equalBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { readRegistration } from '../ledger/entries.ts'
import { ROLE_MINER } from '../ledger/keys.ts'
import type { StateDraft, StateReader } from '../ledger/state.ts'
import type { Ask } from '../ledger/transactions.ts'
import type { Params } from '../params/types.ts'
import { type PendingAsk, readAsks, readPendingAsks, type StandingAsk, writeAsks, writePendingAsks } from './entries.ts'
import type { MarketContext } from './models.ts'
import { averageWork, weightAt } from './weights.ts'

/** Whether a key is registered as a miner and not on its way out. */
export function isActiveMiner(reader: StateReader, publicKey: Uint8Array): boolean {
  return readRegistration(reader, ROLE_MINER, publicKey)?.unbondingHeight === 0
}

/**
 * Checks an ask; the function it returns writes and cannot fail. Throws ASK_MODEL (not registered), ASK_PRICE (0, unless the
 * ask is withdrawn), ASK_MINER (not an active miner, ECO-1).
 */
export function preparePostAsk(context: MarketContext, sender: Uint8Array, ask: Ask): () => void {
  const { params, models, height, draft, books } = context
  const { modelId, price, capacityMacs } = ask
  check(models.has(bytesToHex(modelId)), 'ASK_MODEL', `no model ${bytesToHex(modelId)} is registered`)
  check(price >= 1n || capacityMacs === 0n, 'ASK_PRICE', 'an ask has a price of at least one grain')
  check(isActiveMiner(draft, sender), 'ASK_MINER', 'only registered miners ask')
  const effective = height + params.jobs.askDelayBlocks
  const pending: PendingAsk = { modelId, minerKey: sender, price, capacityMacs }
  return () => books.addAsk(effective, pending)
}

/**
 * The asks whose height has come replace their miners' asks; a capacity of 0 withdraws one. In a full book {@link displacedBy} says
 * which one leaves. Keys that are no active miners any more are skipped.
 */
export function activateAsks(params: Params, draft: StateDraft, height: number): void {
  const books = new Map<string, StandingAsk[]>()
  // By the array itself, not its bytes: each entry of a book is looked up once, however often the book is searched.
  const weighted = new Map<Uint8Array, boolean>()
  const hasWeight = (key: Uint8Array): boolean => {
    const known = weighted.get(key) ?? weightAt(params, draft, key, height) > 0n
    weighted.set(key, known)
    return known
  }
  for (const { modelId, minerKey, price, capacityMacs } of readPendingAsks(draft, height)) {
    const model = bytesToHex(modelId)
    const asks = books.get(model) ?? [...readAsks(draft, model)]
    books.set(model, asks)
    const at = asks.findIndex((ask) => equalBytes(ask.minerKey, minerKey))
    if (at >= 0) asks.splice(at, 1)
    if (capacityMacs > 0n && isActiveMiner(draft, minerKey)) {
      const ask: StandingAsk = { minerKey, price, capacityMacs }
      if (at >= 0) asks.splice(at, 0, ask)
      else addAsk(asks, ask, params.jobs.maxAsksPerModel, hasWeight)
    }
  }
  for (const [model, asks] of books) writeAsks(draft, model, asks)
  writePendingAsks(draft, height, [])
}

function addAsk(
  asks: StandingAsk[],
  ask: StandingAsk,
  most: number,
  hasWeight: (minerKey: Uint8Array) => boolean,
): void {
  if (asks.length >= most) {
    const displaced = displacedBy(asks, ask, hasWeight)
    if (displaced === undefined) return
    asks.splice(displaced, 1)
  }
  asks.push(ask)
}

/**
 * The position of the ask that leaves a full book for a further one; undefined if the book stays. A key without weight, which costs
 * no more than a bond that returns, displaces the highest ask of such a key if that is above its own, and nobody else. A key with
 * weight displaces the highest ask of a key without any, at whatever price; where all have some, the highest if it is above its own.
 * Of equal ones the latest leaves.
 */
export function displacedBy(
  asks: readonly StandingAsk[],
  ask: StandingAsk,
  hasWeight: (minerKey: Uint8Array) => boolean,
): number | undefined {
  const highestOf = (isCandidate: (minerKey: Uint8Array) => boolean): number | undefined => {
    let highest: number | undefined
    for (const [i, { minerKey, price }] of asks.entries())
      if (isCandidate(minerKey) && (highest === undefined || price >= asks[highest]!.price)) highest = i
    return highest
  }
  const isEntitled = hasWeight(ask.minerKey)
  const newcomer = highestOf((minerKey) => !hasWeight(minerKey))
  if (isEntitled && newcomer !== undefined) return newcomer
  const highest = isEntitled ? highestOf(() => true) : newcomer
  return highest !== undefined && asks[highest]!.price > ask.price ? highest : undefined
}

/** Takes the asks of a key out of one model's book, or of every model's. */
export function withdrawAsks(draft: StateDraft, modelIds: Iterable<string>, publicKey: Uint8Array): void {
  for (const modelId of modelIds) {
    const asks = readAsks(draft, modelId)
    const kept = asks.filter(({ minerKey }) => !equalBytes(minerKey, publicKey))
    if (kept.length < asks.length) writeAsks(draft, modelId, kept)
  }
}

/** A standing ask as the market counts it at one height. */
export interface WeighedAsk extends StandingAsk {
  /** The miner's matured work (ECO-6). */
  readonly weight: bigint
  /** MACs per block that count: what it declared, at most `capacityMultiple` times its average work or one largest unit. */
  readonly room: bigint
}

/** Asks with the weights and bounded capacities of their miners at `height`, in their order. */
export function weighAsks(
  params: Params,
  reader: StateReader,
  asks: readonly StandingAsk[],
  height: number,
): WeighedAsk[] {
  const { capacityMultiple } = params.jobs
  const least = BigInt(params.units.maxUnitMacs)
  return asks.map((ask) => {
    const weight = weightAt(params, reader, ask.minerKey, height)
    const earned = BigInt(capacityMultiple) * averageWork(params, weight)
    const bound = earned > least ? earned : least
    return { ...ask, weight, room: ask.capacityMacs < bound ? ask.capacityMacs : bound }
  })
}
