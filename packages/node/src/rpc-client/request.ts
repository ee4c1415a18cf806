/** Questions to the RPC of a node: with a deadline, and an answer of bounded size. */
import { messageOf, notNode, RpcError } from './errors.ts'
import { field, fieldsOf, isCode, isText } from './fields.ts'

const REQUEST_MS = 20_000
/** 100 blocks full of transactions are about 10 MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024

/** What is wrong with an address of an RPC; undefined if nothing is. */
export function rpcUrlFault(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    return `an address such as http://127.0.0.1:8080, not "${text}"`
  // It appears in messages, and paths are put after it.
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text))
    return 'an address without user, password, "?" and "#"'
  return undefined
}

/** The JSON at a path. Throws RpcError if nobody answers (or `interrupt` ends it), or anything but 200 and JSON. */
export async function get(base: string, path: string, interrupt?: AbortSignal): Promise<unknown> {
  const { ok, status, text } = await request(base, path, {}, interrupt)
  if (!ok) throw notNode(base, `GET ${path} answered ${status}`)
  return jsonOf(base, `GET ${path}`, text)
}

/** An answer of 200, or the error that the node gave instead. */
export type PostAnswer = { readonly value: unknown } | { readonly error: { code: string; message: string } }

export async function post(base: string, path: string, body: unknown, interrupt?: AbortSignal): Promise<PostAnswer> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const { ok, status, text } = await request(base, path, init, interrupt)
  const value = jsonOf(base, `POST ${path}`, text)
  if (ok) return { value }
  const what = `the answer ${status} to POST ${path}`
  const error = fieldsOf(base, what, fieldsOf(base, what, value).error)
  const code = field(base, what, error, 'code', isCode)
  const message = field(base, what, error, 'message', isText)
  return { error: { code, message: messageOf(message) } }
}

async function request(
  base: string,
  path: string,
  init: RequestInit,
  interrupt: AbortSignal | undefined,
): Promise<{ ok: boolean; status: number; text: string }> {
  try {
    // A redirect would carry the question to whatever the other side names, behind this machine's firewall too.
    const timeout = AbortSignal.timeout(REQUEST_MS)
    const signal = interrupt === undefined ? timeout : AbortSignal.any([timeout, interrupt])
    const response = await fetch(base + path, { ...init, redirect: 'manual', signal })
    const { ok, status } = response
    return { ok, status, text: await bodyText(base, path, response) }
  } catch (error) {
    if (error instanceof RpcError) throw error
    throw noAnswer(base, error)
  }
}

export function noAnswer(base: string, error: unknown): RpcError {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const code = (cause as { code?: unknown } | undefined)?.code
  return new RpcError('NO_ANSWER', `cannot reach ${base}: ${typeof code === 'string' ? code : messageOf(cause)}`, {
    cause: error,
  })
}

async function bodyText(base: string, path: string, response: Response): Promise<string> {
  const body = response.body?.getReader()
  if (body === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await body.read()
    if (done) return text + decoder.decode()
    size += value.length
    if (size > MAX_ANSWER_BYTES) {
      await body.cancel().catch(() => undefined)
      throw notNode(base, `${path} answered more than ${MAX_ANSWER_BYTES} bytes`)
    }
    text += decoder.decode(value, { stream: true })
  }
}

function jsonOf(base: string, what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw notNode(base, `${what} did not answer JSON`)
  }
}
