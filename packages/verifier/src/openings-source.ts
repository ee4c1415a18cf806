/** Where a verifier gets openings from (AUD-3): the peers, of which it believes none. */
import {
  decodeByteList,
  encodeOpeningsRequest,
  type FullNode,
  MAX_OPENINGS_ANSWER_BYTES,
  MAX_STEPS_PER_REQUEST,
  NetworkError,
  type PeerName,
  type PeersFor,
  type Random,
  REQUEST,
  REQUEST_TIMEOUT_MS,
  sleep,
} from '@nacre/node'
import { isSameStep, ProtocolError, type StepOpening, type StepRef, stepOpeningCodec } from '@nacre/protocol'

/** Peers asked for one unit's openings. */
const MAX_PEERS_ASKED = 8
/** Of them such as run the unit's miner, while there are others. */
const MAX_MINER_PEERS_ASKED = 2
/** After so many requests in a row without good openings, a peer is asked only when nobody else is left. */
const MAX_FAILURES = 3
/** After so much silence the next peer is asked as well: the silent one can hold up nobody for longer, and may still answer. */
const SILENCE_MS = 1_000
/** Score lost by a peer whose openings do not check. */
const BAD_OPENING_POINTS = 50

/** A peer that was asked before this, and kept silent for {@link SILENCE_MS} and more without bringing anything. */
const GAVE_NOTHING = Symbol('gave nothing')

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
  readonly #node: Pick<FullNode, 'network' | 'peersFor' | 'random' | 'log' | 'clock'>
  /** Requests in a row without good openings, of connected peers. */
  readonly #failures = new Map<PeerName, number>()
  /** The last request that each peer was or will be asked: it answers one at a time. Tells whether that took its time and brought nothing. */
  readonly #turns = new Map<PeerName, Promise<boolean>>()
  /** When the request that a peer has now was sent. */
  readonly #askedMs = new Map<PeerName, number>()

  constructor(node: Pick<FullNode, 'network' | 'peersFor' | 'random' | 'log' | 'clock'>) {
    this.#node = node
  }

  /**
   * Asks one peer after the other, the next one as soon as the last has failed or been silent for {@link SILENCE_MS}, until one settles it.
   * Several units may be asked for at once. A peer that runs the unit's miner and refuses at once is asked again after as long: it may have
   * yet to see the block that the unit is in. A bad opening counts against the peer that sent it and says nothing about the unit, even if
   * that peer runs its miner.
   * @param check of an opening of the step that was asked for. Throws FraudError if it holds under the trace root and its step is wrong,
   * ProtocolError if the opening is bad.
   */
  async ask<T>(
    unit: AskedUnit,
    steps: readonly StepRef[],
    check: (opening: StepOpening) => T,
    signal: AbortSignal,
  ): Promise<Asked<T>> {
    const { clock } = this.#node
    const over = new AbortController()
    const end = AbortSignal.any([signal, over.signal])
    const reasons: string[] = []
    let isUnserved = true
    let settle = (_asked: Asked<T>): void => undefined
    const settled = new Promise<Asked<T>>((resolve) => {
      settle = resolve
    })
    /** Whoever refuses at once may be asked once more. Never settles with anything but what went wrong in this program. */
    const attempt = async (peer: PeerName, mayRepeat: boolean): Promise<void> => {
      const startMs = clock.nowMs()
      try {
        const value = await this.#inTurn(peer, end, () => this.#askPeer(peer, unit.id, steps, check, end))
        if (value === GAVE_NOTHING) reasons.push('it brought nothing of what it was asked for before')
        if (value === undefined || value === GAVE_NOTHING) return
        this.#failures.delete(peer)
        settle({ outcome: 'right', value })
      } catch (error) {
        // Whoever brought it told the truth about the root.
        if (error instanceof FraudError) return settle({ outcome: 'fraud', fraud: error })
        if (!(error instanceof ProtocolError || error instanceof NetworkError)) throw error
        const code = error instanceof NetworkError ? error.code : undefined
        if (code !== 'PROTOCOL_UNSUPPORTED') isUnserved = false
        if (code === 'CLOSED_WITHOUT_ANSWER' && mayRepeat && clock.nowMs() - startMs < SILENCE_MS) {
          await sleep(clock, SILENCE_MS, end)
          return attempt(peer, false)
        }
        if (error instanceof ProtocolError) this.#node.network.penalise(peer, BAD_OPENING_POINTS, error.code)
        this.#failures.set(peer, (this.#failures.get(peer) ?? 0) + 1)
        this.#node.log.debug({ event: 'openings_unusable', peer, error: error.message })
        reasons.push(error.message)
      }
    }
    try {
      const attempts: Promise<void>[] = []
      const peers = this.#node.peersFor(unit.minerKey)
      for (const peer of this.#peersToAsk(peers)) {
        if (signal.aborted) break
        const next = attempt(peer, peers.miners.includes(peer))
        next.catch(() => undefined)
        attempts.push(next)
        const asked = await Promise.race([settled, next, sleep(clock, SILENCE_MS, end)])
        if (asked !== undefined) return asked
      }
      const asked = await Promise.race([settled, Promise.all(attempts), aborted(end)])
      if (asked !== undefined && 'outcome' in asked) return asked
      return { outcome: 'unanswered', reason: summary(reasons), asked: reasons.length, isUnserved }
    } finally {
      over.abort()
    }
  }

  /**
   * Lets the peer answer what it was asked before, for as long as it goes on answering. Undefined where the signal aborts meanwhile, or
   * {@link GAVE_NOTHING} where what was asked before took its time and brought nothing. Rejects with what the request rejects with.
   */
  async #inTurn<T>(
    peer: PeerName,
    signal: AbortSignal,
    request: () => Promise<T>,
  ): Promise<T | typeof GAVE_NOTHING | undefined> {
    const { clock } = this.#node
    const before = this.#turns.get(peer) ?? Promise.resolve(false)
    let release = (_gaveNothing: boolean): void => undefined
    const done = new Promise<boolean>((resolve) => {
      release = resolve
    })
    const last = before.then(async (gaveNothing) => (await done) || gaveNothing)
    this.#turns.set(peer, last)
    void last.then(() => {
      if (this.#turns.get(peer) === last) this.#turns.delete(peer)
    })
    let gaveNothing = false
    try {
      if ((await Promise.race([before, aborted(signal)])) && !signal.aborted) return GAVE_NOTHING
      if (signal.aborted) return undefined
      const startMs = clock.nowMs()
      try {
        return await request()
      } catch (error) {
        gaveNothing = clock.nowMs() - startMs >= SILENCE_MS
        throw error
      }
    } finally {
      release(gaveNothing)
    }
  }

  async #askPeer<T>(
    peer: PeerName,
    id: Uint8Array,
    steps: readonly StepRef[],
    check: (opening: StepOpening) => T,
    signal: AbortSignal,
  ): Promise<T[] | undefined> {
    const checked: T[] = []
    for (let from = 0; from < steps.length; from += MAX_STEPS_PER_REQUEST) {
      if (signal.aborted) return undefined
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
    const { clock, network } = this.#node
    this.#askedMs.set(peer, clock.nowMs())
    try {
      const answer = await network.request(peer, REQUEST.openings, encodeOpeningsRequest({ id, steps }), {
        timeoutMs: REQUEST_TIMEOUT_MS,
        maxResponseBytes: MAX_OPENINGS_ANSWER_BYTES,
      })
      return decodeByteList(answer, steps.length, MAX_OPENINGS_ANSWER_BYTES, 'openings')
    } finally {
      this.#askedMs.delete(peer)
    }
  }

  /**
   * A few of the peers that run the unit's miner and any others, each at random: a miner that opens nothing must not fill all places with
   * peers of its own, and others can answer too, by re-execution (UNT-1). First come those of the miner, last those that have failed
   * or are silent at this moment.
   */
  #peersToAsk({ miners, others }: PeersFor): PeerName[] {
    const { clock, random } = this.#node
    const isGone = (peer: PeerName): boolean => !miners.includes(peer) && !others.includes(peer)
    for (const peer of this.#failures.keys()) if (isGone(peer)) this.#failures.delete(peer)
    const nowMs = clock.nowMs()
    const isSilent = (peer: PeerName): boolean => nowMs - (this.#askedMs.get(peer) ?? nowMs) >= SILENCE_MS
    const isUseless = (peer: PeerName): boolean => (this.#failures.get(peer) ?? 0) >= MAX_FAILURES || isSilent(peer)
    const usefulFirst = (peers: readonly PeerName[]): PeerName[] => [
      ...peers.filter((peer) => !isUseless(peer)),
      ...peers.filter(isUseless),
    ]
    const [ofMiner, rest] = [usefulFirst(shuffled(miners, random)), usefulFirst(shuffled(others, random))]
    const inOrder = [...ofMiner.slice(0, MAX_MINER_PEERS_ASKED), ...rest, ...ofMiner.slice(MAX_MINER_PEERS_ASKED)]
    return usefulFirst(inOrder.slice(0, MAX_PEERS_ASKED))
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items]
  return items.map(() => left.splice(random.below(left.length), 1)[0]!)
}

/** Resolves once the signal aborts. */
function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

/** Each reason once, with the number of peers it is true of. */
function summary(reasons: readonly string[]): string {
  if (reasons.length === 0) return 'no peer to ask'
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts].map(([reason, count]) => (count === 1 ? reason : `${reason} (${count} peers)`)).join('; ')
}
