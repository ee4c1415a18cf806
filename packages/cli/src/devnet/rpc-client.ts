import type { BlockView } from '@nacre/node'

/** The part of `/status` that the devnet reads. */
export interface NodeStatus {
  readonly role: string
  readonly height: number
  readonly tip: string
  readonly stateRoot: string
  readonly peers: number
  readonly supplyGrains: string
  readonly usefulSharePpm: string
  readonly miner?: {
    readonly units: number
    readonly tokens: number
    readonly tickets: number
    readonly blocks: number
  }
}

const REQUEST_MS = 5_000

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_MS) })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return (await response.json()) as T
}

export const fetchStatus = (rpc: string): Promise<NodeStatus> => get(`${rpc}/status`)

/** The block of a node's best chain at a height; undefined if it is not that high or does not answer. */
export async function fetchBlock(rpc: string, height: number): Promise<BlockView | undefined> {
  try {
    return await get<BlockView>(`${rpc}/blocks/${height}`)
  } catch {
    return undefined
  }
}

/** Follows a node's event stream until `signal` aborts or the stream ends. Never rejects. */
export async function followEvents(
  rpc: string,
  signal: AbortSignal,
  onEvent: (name: string, data: unknown) => void,
): Promise<void> {
  try {
    const response = await fetch(`${rpc}/events`, { signal })
    if (response.body === null) return
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of response.body) {
      text += decoder.decode(chunk as Uint8Array, { stream: true })
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const message = text.slice(0, end)
        text = text.slice(end + 2)
        const name = /^event: (.*)$/m.exec(message)?.[1]
        const data = /^data: (.*)$/m.exec(message)?.[1]
        if (name !== undefined && data !== undefined) onEvent(name, JSON.parse(data))
      }
    }
  } catch {
    // The node went away or the devnet stops: whoever called decides what follows.
  }
}
