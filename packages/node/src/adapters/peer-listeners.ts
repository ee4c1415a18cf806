import type { Logger } from '../ports/log.ts'
import type { PeerName } from '../ports/network.ts'

export type PeerListener = (peer: PeerName, event: 'connect' | 'disconnect') => void

/** Listeners for peers coming and going. One that throws does not keep the others from hearing. */
export class PeerListeners {
  readonly #log: Logger
  readonly #listeners = new Set<PeerListener>()

  constructor(log: Logger) {
    this.#log = log
  }

  add(listener: PeerListener): () => void {
    // Wrapped, so that the same function added twice is two subscriptions.
    const own: PeerListener = (peer, event) => listener(peer, event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  emit(peer: PeerName, event: 'connect' | 'disconnect'): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(peer, event)
      } catch (error) {
        this.#log.warn({ event: 'peer_listener_threw', peer, change: event, error: String(error) })
      }
    }
  }

  clear(): void {
    this.#listeners.clear()
  }
}
