/** The event stream of a node. */
import { notNode } from './errors.ts'
import { noAnswer } from './request.ts'

/** An event holds at most a job's view: some tokens. A stream that sends more without an end is no node's. */
const MAX_EVENT_CHARS = 4 * 1024 * 1024
const CONNECT_MS = 20_000

export interface EventListener {
  /** The stream is there: what happens from now on is heard. */
  readonly onOpen?: () => void
  readonly onEvent: (name: string, data: unknown) => void
}

/**
 * Follows a node's events until the stream ends or `signal` aborts. Rejects with RpcError NO_ANSWER where nobody answers or the
 * stream breaks, NOT_A_NODE for anything but events, and with what a listener throws; after `signal` it only resolves.
 */
export async function followEvents(rpc: string, signal: AbortSignal, listener: EventListener): Promise<void> {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(new Error('no answer in time')), CONNECT_MS)
  const connecting = fetch(`${rpc}/events`, {
    redirect: 'manual',
    signal: AbortSignal.any([signal, timeout.signal]),
  }).finally(() => clearTimeout(timer))
  const silence = (error: unknown): never => {
    throw noAnswer(rpc, error)
  }
  try {
    const { ok, status, body, headers } = await connecting.catch(silence)
    if (!ok || body === null || !headers.get('content-type')?.startsWith('text/event-stream')) {
      await body?.cancel()
      throw notNode(rpc, `GET /events answered ${status} without events`)
    }
    listener.onOpen?.()
    const chunks = body.getReader() as ReadableStreamDefaultReader<Uint8Array>
    try {
      await readEvents(rpc, () => chunks.read().catch(silence), listener.onEvent)
    } finally {
      await chunks.cancel().catch(() => undefined)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function readEvents(
  rpc: string,
  read: () => Promise<{ readonly value?: Uint8Array | undefined }>,
  onEvent: EventListener['onEvent'],
): Promise<void> {
  const decoder = new TextDecoder()
  let text = ''
  for (let { value } = await read(); value !== undefined; { value } = await read()) {
    text += decoder.decode(value, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const message = text.slice(0, end)
      text = text.slice(end + 2)
      const name = /^event: (.*)$/m.exec(message)?.[1]
      const data = /^data: (.*)$/m.exec(message)?.[1]
      if (name !== undefined && data !== undefined) onEvent(name, parsed(rpc, data))
    }
    if (text.length > MAX_EVENT_CHARS) throw notNode(rpc, `an event of more than ${MAX_EVENT_CHARS} characters`)
  }
}

function parsed(rpc: string, data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    throw notNode(rpc, 'an event that is not JSON')
  }
}
