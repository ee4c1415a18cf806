import { BAN_MS, BAN_SCORE, FORGIVEN_POINTS_PER_MINUTE, MAX_STANDINGS } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { PeerName } from '../ports/network.ts'

export interface StandingsOptions {
  readonly clock: Clock
  readonly banMs?: number | undefined
  /** Called when a peer reaches the ban score, after it counts as banned. */
  readonly onBan: (peer: PeerName, reason: string) => void
}

interface Penalty {
  readonly points: number
  readonly atMs: number
}

/**
 * Penalty points of peers and who is banned. Points are forgiven with time.
 *
 * A ban is tied to a peer's identity, which costs nothing to replace: it protects against faulty peers and makes an
 * attacker start over, no more than that.
 */
export class Standings {
  readonly #clock: Clock
  readonly #banMs: number
  readonly #onBan: StandingsOptions['onBan']
  readonly #penalties = new Map<PeerName, Penalty>()
  readonly #bannedUntilMs = new Map<PeerName, number>()

  constructor(options: StandingsOptions) {
    this.#clock = options.clock
    this.#banMs = options.banMs ?? BAN_MS
    this.#onBan = options.onBan
  }

  /** Adds penalty points. Anything but a positive number is ignored: no peer earns credit. */
  penalise(peer: PeerName, points: number, reason: string): void {
    if (!(points > 0) || this.isBanned(peer)) return
    const sum = this.points(peer) + points
    this.#penalties.delete(peer)
    if (sum < BAN_SCORE) {
      setBounded(this.#penalties, peer, { points: sum, atMs: this.#clock.nowMs() })
      return
    }
    setBounded(this.#bannedUntilMs, peer, this.#clock.nowMs() + this.#banMs)
    this.#onBan(peer, reason)
  }

  /** Penalty points now, 0 to {@link BAN_SCORE}. */
  points(peer: PeerName): number {
    const penalty = this.#penalties.get(peer)
    if (penalty === undefined) return 0
    // Whole minutes, so that faults in quick succession add up exactly.
    const minutes = Math.floor((this.#clock.nowMs() - penalty.atMs) / 60_000)
    return Math.max(0, penalty.points - minutes * FORGIVEN_POINTS_PER_MINUTE)
  }

  isBanned(peer: PeerName): boolean {
    const untilMs = this.#bannedUntilMs.get(peer)
    if (untilMs === undefined) return false
    if (this.#clock.nowMs() < untilMs) return true
    this.#bannedUntilMs.delete(peer)
    return false
  }
}

/** The oldest entry makes room for a new one. */
function setBounded<T>(map: Map<PeerName, T>, peer: PeerName, value: T): void {
  map.set(peer, value)
  const [oldest] = map.keys()
  if (map.size > MAX_STANDINGS && oldest !== undefined) map.delete(oldest)
}
