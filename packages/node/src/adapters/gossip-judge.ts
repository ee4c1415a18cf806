import { createHash } from 'node:crypto'
import { GOSSIP_LIMITS, GOSSIP_VALIDATION_MS, MAX_GOSSIP_BYTES, REJECT_POINTS } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/log.ts'
import type { GossipValidator, GossipVerdict, PeerName } from '../ports/network.ts'
import { Deadlines } from './deadlines.ts'
import { KeyedLimiter, LimiterFullError } from './keyed-limiter.ts'
import type { Standings } from './standing.ts'

const MESSAGE_ID_BYTES = 20
const MESSAGE_ID_TAG = 'nacre/msgid/1'

/**
 * Content message id. Without signatures there is no author and sequence number to name a message by; the domain tag
 * and the topic keep ids of different networks and topics apart, as Ethereum's do.
 */
export function gossipMessageId(topic: string, bytes: Uint8Array): Uint8Array {
  const topicBytes = Buffer.from(topic, 'utf8')
  const topicLength = Buffer.alloc(4)
  topicLength.writeUInt32LE(topicBytes.length)
  const hash = createHash('sha256').update(MESSAGE_ID_TAG).update(topicLength).update(topicBytes).update(bytes)
  return new Uint8Array(hash.digest().subarray(0, MESSAGE_ID_BYTES))
}

export interface GossipJudgeOptions {
  readonly clock: Clock
  readonly standings: Standings
  readonly log: Logger
}

/**
 * Runs validators with bounded concurrency, a bounded queue and a deadline. Gossip libraries start a validator for each
 * message as it arrives, so without this a flood decides how much work we do.
 */
export class GossipJudge {
  readonly #limiter = new KeyedLimiter(GOSSIP_LIMITS)
  readonly #deadlines: Deadlines
  readonly #standings: Standings
  readonly #log: Logger

  constructor(options: GossipJudgeOptions) {
    this.#deadlines = new Deadlines(options.clock)
    this.#standings = options.standings
    this.#log = options.log
  }

  /**
   * Never throws: a validator that does, or that is late, and a full queue count as 'ignore' (G10).
   * A 'reject' lowers the standing of `from`.
   */
  async judge(from: PeerName, bytes: Uint8Array, validator: GossipValidator): Promise<GossipVerdict> {
    const verdict = await this.#verdict(from, bytes, validator)
    if (verdict === 'reject') this.#standings.penalise(from, REJECT_POINTS, 'invalid gossip')
    return verdict
  }

  /** Gives up everything that waits or runs, with the verdict 'ignore'. */
  stop(): void {
    this.#deadlines.abortAll(new Error('the network is stopping'))
  }

  async #verdict(from: PeerName, bytes: Uint8Array, validator: GossipValidator): Promise<GossipVerdict> {
    // Our own nodes check before they publish, so this is never an accident.
    if (bytes.length > MAX_GOSSIP_BYTES) return 'reject'
    // The library hands out views of network buffers it goes on using (G16).
    const copy = new Uint8Array(bytes)
    const late = (): Error => new Error(`no verdict within ${GOSSIP_VALIDATION_MS} ms`)
    try {
      // The outer deadline covers the wait, the inner one frees the slot of a validator that hangs.
      return await this.#deadlines.run(GOSSIP_VALIDATION_MS, late, (signal) =>
        this.#limiter.run(from, copy.length, signal, () =>
          this.#deadlines.run(GOSSIP_VALIDATION_MS, late, async () => asVerdict(await validator(from, copy))),
        ),
      )
    } catch (error) {
      const full = error instanceof LimiterFullError
      this.#log[full ? 'debug' : 'warn']({ event: 'gossip_not_judged', peer: from, error: String(error) })
      return 'ignore'
    }
  }
}

function asVerdict(value: unknown): GossipVerdict {
  if (value === 'accept' || value === 'ignore' || value === 'reject') return value
  throw new TypeError(`a gossip validator returned ${String(value)}`)
}
