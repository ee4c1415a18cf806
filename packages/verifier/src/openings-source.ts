/** Where a verifier gets openings from (AUD-3): the peers, of which it believes none. */
import {
  decodeByteList,
  encodeOpeningsRequest,
  type FullNode,
  MAX_OPENINGS_ANSWER_BYTES,
  MAX_STEPS_PER_REQUEST,
  NetworkError,
  type PeerName,
  REQUEST,
  REQUEST_TIMEOUT_MS,
} from '@nacre/node'
import { isSameStep, ProtocolError, type StepOpening, type StepRef, stepOpeningCodec } from '@nacre/protocol'

/** Peers asked for one unit's openings. */
const MAX_PEERS_ASKED = 8
/** After so many requests in a row without good openings, a peer is asked only when nobody else is left. */
const MAX_FAILURES = 3
/** Score lost by a peer whose openings do not check. */
const BAD_OPENING_POINTS = 50

/** An opening that is authentic under the trace root and proves that the root commits to a lie (AUD-4). */
export class FraudError extends Error {
  readonly opening: StepOpening

  constructor(opening: StepOpening, cause: ProtocolError) {
    super(cause.message, { cause })
    this.opening = opening
  }
}

/** A unit whose steps are asked for. */
export interface AskedUnit {
  /** Of the block that it won, or of the job that it delivered. */
  readonly id: Uint8Array
  readonly minerKey: Uint8Array
}

/** What asking around has come to. */
export type Asked<T> =
  | { readonly outcome: 'right'; readonly value: readonly T[] }
  | { readonly outcome: 'fraud'; readonly fraud: FraudError }
  | {
      readonly outcome: 'unanswered'
      readonly reason: string
      /** Peers that were asked. */
      readonly asked: number
      /** None of them serves openings at all. */
      readonly isUnserved: boolean
    }

export class OpeningsSource {
  readonly #node: Pick<FullNode, 'network' | 'peersFor' | 'random' | 'log'>
  /** Requests in a row without good openings, of connected peers. */
  readonly #failures = new Map<PeerName, number>()
  /** A peer answers one request at a time: whoever asks waits for the one before. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(node: Pick<FullNode, 'network' | 'peersFor' | 'random' | 'log'>) {
    this.#node = node
  }

  /**
   * Asks one peer after the other until one settles it. A bad opening counts against the peer that sent it and no one else: anyone
   * can claim a miner's key in its `status`.
   * @param check of an opening of the step that was asked for. Throws FraudError if it holds under the trace root and its step is wrong,
   * ProtocolError if the opening is bad.
   */
  ask<T>(
    unit: AskedUnit,
    steps: readonly StepRef[],
    check: (opening: StepOpening) => T,
    signal: AbortSignal,
  ): Promise<Asked<T>> {
    const asking = this.#last.then(() => this.#ask(unit, steps, check, signal))
    this.#last = asking.catch(() => undefined)
    return asking
  }

  async #ask<T>(
    unit: AskedUnit,
    steps: readonly StepRef[],
    check: (opening: StepOpening) => T,
    signal: AbortSignal,
  ): Promise<Asked<T>> {
    const reasons: string[] = []
    let isUnserved = true
    for (const peer of this.#peersToAsk(unit.minerKey)) {
      if (signal.aborted) break
      try {
        const value = await this.#askPeer(peer, unit.id, steps, check)
        this.#failures.delete(peer)
        return { outcome: 'right', value }
      } catch (error) {
        // Whoever brought it told the truth about the root.
        if (error instanceof FraudError) return { outcome: 'fraud', fraud: error }
        if (!(error instanceof ProtocolError || error instanceof NetworkError)) throw error
        if (!(error instanceof NetworkError && error.code === 'PROTOCOL_UNSUPPORTED')) isUnserved = false
        if (error instanceof ProtocolError) this.#node.network.penalise(peer, BAD_OPENING_POINTS, error.code)
        this.#failures.set(peer, (this.#failures.get(peer) ?? 0) + 1)
        this.#node.log.debug({ event: 'openings_unusable', peer, error: error.message })
        reasons.push(error.message)
      }
    }
    return { outcome: 'unanswered', reason: summary(reasons), asked: reasons.length, isUnserved }
  }

  async #askPeer<T>(
    peer: PeerName,
    id: Uint8Array,
    steps: readonly StepRef[],
    check: (opening: StepOpening) => T,
  ): Promise<T[]> {
    const checked: T[] = []
    for (let from = 0; from < steps.length; from += MAX_STEPS_PER_REQUEST) {
      const some = steps.slice(from, from + MAX_STEPS_PER_REQUEST)
      const openings = await this.#request(peer, id, some)
      if (openings.length !== some.length)
        throw new ProtocolError('STEP_OPENING', `${openings.length} openings for ${some.length} steps`)
      for (const [i, ref] of some.entries()) {
        const opening = stepOpeningCodec.decode(openings[i]!)
        if (!isSameStep(opening.ref, ref))
          throw new ProtocolError('STEP_OPENING', 'the opening is of another step than asked for')
        checked.push(check(opening))
      }
    }
    return checked
  }

  async #request(peer: PeerName, id: Uint8Array, steps: readonly StepRef[]): Promise<Uint8Array[]> {
    const answer = await this.#node.network.request(peer, REQUEST.openings, encodeOpeningsRequest({ id, steps }), {
      timeoutMs: REQUEST_TIMEOUT_MS,
      maxResponseBytes: MAX_OPENINGS_ANSWER_BYTES,
    })
    return decodeByteList(answer, steps.length, MAX_OPENINGS_ANSWER_BYTES, 'openings')
  }

  /**
   * In turns the next peer that claims to be the unit's miner and any other at random: claims cost nothing, so those who make
   * them must not fill all places. The peers without a claim can answer too, by re-execution (UNT-1).
   */
  #peersToAsk(minerKey: Uint8Array): PeerName[] {
    // Those with a claim first.
    const peers = this.#node.peersFor(minerKey)
    for (const peer of this.#failures.keys()) if (!peers.includes(peer)) this.#failures.delete(peer)
    const isUseless = (peer: PeerName): boolean => (this.#failures.get(peer) ?? 0) >= MAX_FAILURES
    const useful = peers.filter((peer) => !isUseless(peer))
    const useless = peers.filter(isUseless)
    const chosen: PeerName[] = []
    while (chosen.length < MAX_PEERS_ASKED) {
      const rest = useful.length > 0 ? useful : useless
      if (rest.length === 0) break
      const index = chosen.length % 2 === 0 ? 0 : this.#node.random.below(rest.length)
      chosen.push(...rest.splice(index, 1))
    }
    return chosen
  }
}

/** Each reason once, with the number of peers it is true of. */
function summary(reasons: readonly string[]): string {
  if (reasons.length === 0) return 'no peer to ask'
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts].map(([reason, count]) => (count === 1 ? reason : `${reason} (${count} peers)`)).join('; ')
}
