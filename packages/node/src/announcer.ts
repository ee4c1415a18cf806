import { bytesToHex } from '@nacre/protocol'
import { GOSSIP_SEEN_MS, MAX_ANNOUNCED_TRANSACTIONS, MAX_REPEATED_TRANSACTIONS } from './limits.ts'
import type { Mempool } from './mempool.ts'
import type { Clock } from './ports/clock.ts'
import type { Network } from './ports/network.ts'

export interface AnnouncerOptions {
  readonly network: Pick<Network, 'publish'>
  readonly mempool: Pick<Mempool, 'get'>
  readonly clock: Pick<Clock, 'nowMs'>
}

/**
 * Transactions that entered the network here, until they leave the mempool (NET-2). Gossip tells each message once: one that was sent before
 * there was a peer, or that a peer could not use yet, would wait here alone.
 */
export class Announcer {
  readonly #options: AnnouncerOptions
  /** By id (hex), the oldest first: when it was sent last, and whether anybody got it. */
  readonly #own = new Map<string, { sentMs: number; wasHeard: boolean }>()

  constructor(options: AnnouncerOptions) {
    this.#options = options
  }

  /** Gossips a transaction that the mempool has taken in. */
  async announce(id: Uint8Array, bytes: Uint8Array): Promise<void> {
    const hex = bytesToHex(id)
    this.#own.set(hex, { sentMs: this.#options.clock.nowMs(), wasHeard: false })
    if (this.#own.size > MAX_ANNOUNCED_TRANSACTIONS) this.#own.delete(this.#own.keys().next().value!)
    await this.#send(hex, bytes)
  }

  /** Gossips again what nobody heard, and what still waits once everybody has forgotten that it heard it. */
  async repeat(): Promise<void> {
    const { mempool, clock } = this.#options
    const nowMs = clock.nowMs()
    let left = MAX_REPEATED_TRANSACTIONS
    for (const [hex, own] of [...this.#own]) {
      const bytes = mempool.get(hex)
      if (bytes === undefined) this.#own.delete(hex)
      else if (left > 0 && (!own.wasHeard || nowMs - own.sentMs > GOSSIP_SEEN_MS)) {
        left--
        own.sentMs = nowMs
        await this.#send(hex, bytes)
      }
    }
  }

  async #send(hex: string, bytes: Uint8Array): Promise<void> {
    const recipients = await this.#options.network.publish('transaction', bytes)
    const own = this.#own.get(hex)
    if (own !== undefined) own.wasHeard = recipients > 0
  }
}
