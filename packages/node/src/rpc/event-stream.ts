import type { ServerResponse } from 'node:http'
import { MAX_EVENT_BACKLOG, MAX_EVENT_CLIENTS } from '../limits-chain.ts'

interface Client {
  readonly response: ServerResponse
  backlog: number
}

/** Server-sent events: a bounded number of clients, each cut off when it lags too far behind. */
export class EventStream {
  readonly #clients = new Set<Client>()
  #lastId = 0

  get clients(): number {
    return this.#clients.size
  }

  /** Takes over a response. Returns false if there are too many clients. */
  attach(response: ServerResponse): boolean {
    if (this.#clients.size >= MAX_EVENT_CLIENTS) return false
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      connection: 'keep-alive',
      'access-control-allow-origin': '*',
    })
    response.write(': connected\n\n')
    const client: Client = { response, backlog: 0 }
    this.#clients.add(client)
    response.on('close', () => this.#clients.delete(client))
    response.on('error', () => this.#clients.delete(client))
    return true
  }

  send(event: string, data: unknown): void {
    const text = `id: ${++this.#lastId}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
    for (const client of this.#clients) {
      if (client.backlog >= MAX_EVENT_BACKLOG) {
        this.#clients.delete(client)
        client.response.destroy()
        continue
      }
      client.backlog++
      client.response.write(text, () => {
        client.backlog--
      })
    }
  }

  close(): void {
    for (const client of this.#clients) client.response.end()
    this.#clients.clear()
  }
}
