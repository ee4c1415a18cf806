import type { PeerName } from '../ports/network.ts'
import type { NetworkLog } from './network-log.ts'

export type PeerListener = (peer: PeerName, event: 'connect' | 'disconnect') => void

/** Listeners for peers coming and going. One that throws does not keep the others from hearing. */
export class PeerListeners {
  readonly #log: NetworkLog
  readonly #listeners = new Set<PeerListener>()

  constructor(log: NetworkLog) {
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
        this.#log.warn({ peer, event, error: String(error) }, 'a peer listener threw')
      }
    }
  }

  clear(): void {
    this.#listeners.clear()
  }
}
