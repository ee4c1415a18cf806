/** Questions to the RPC of a node. What it answers is bounded, and checked for shape before use. */
import { CliError } from './errors.ts'

const REQUEST_MS = 20_000
/** 100 blocks full of transactions are about 10 MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024

/** The value of `--rpc`, without a slash at its end. */
export function rpcUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new CliError(`--rpc is an address such as http://127.0.0.1:8080, not "${text}"`, 2)
  // It appears in messages, and paths are put after it.
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text))
    throw new CliError('--rpc is an address without user, password, "?" and "#"', 2)
  return text.replace(/\/+$/, '')
}

/** The JSON at a path. Throws CliError if nobody answers (or `interrupt` ends it), or anything but 200 and JSON. */
export async function get(base: string, path: string, interrupt?: AbortSignal): Promise<unknown> {
  const { ok, status, text } = await request(base, path, {}, interrupt)
  if (!ok) throw notNode(base, `GET ${path} answered ${status}`)
  return jsonOf(base, `GET ${path}`, text)
}

/** An answer of 200, or the error that the node gave instead. */
export type PostAnswer = { readonly value: unknown } | { readonly error: { code: string; message: string } }

export async function post(base: string, path: string, body: unknown): Promise<PostAnswer> {
  const { ok, status, text } = await request(base, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
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
  init: RequestInit = {},
  interrupt?: AbortSignal,
): Promise<{ ok: boolean; status: number; text: string }> {
  try {
    // A redirect would carry the question to whatever the other side names, behind this machine's firewall too.
    const timeout = AbortSignal.timeout(REQUEST_MS)
    const signal = interrupt === undefined ? timeout : AbortSignal.any([timeout, interrupt])
    const response = await fetch(base + path, { ...init, redirect: 'manual', signal })
    const { ok, status } = response
    return { ok, status, text: await bodyText(base, path, response) }
  } catch (error) {
    if (error instanceof CliError) throw error
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const code = (cause as { code?: unknown } | undefined)?.code
    throw new CliError(`cannot reach ${base}: ${typeof code === 'string' ? code : messageOf(cause)}`, 1, NO_ANSWER)
  }
}

/** The code of the error that nobody answered. */
export const NO_ANSWER = 'NO_ANSWER'

/** For `catch`: tells whoever got no answer what to look at. */
export function withHint(error: unknown): never {
  if (!(error instanceof CliError) || error.code !== NO_ANSWER) throw error
  throw new CliError(`${error.message}. Is a node running there? --rpc URL names another`, 1, NO_ANSWER)
}

async function bodyText(base: string, path: string, response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw notNode(base, `${path} answered more than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function jsonOf(base: string, what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw notNode(base, `${what} did not answer JSON`)
  }
}

/** One line, bounded, without characters that a terminal obeys or does not show: the text may come from the other side. */
export function messageOf(error: unknown): string {
  const line = (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300)
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·')
}

export const notNode = (base: string, why: string): CliError =>
  new CliError(`${base} is not the RPC of a nacre node: ${why}`, 1, 'NOT_A_NODE')

const HEIGHT_LIMIT = 2 ** 31

export type Fields = Readonly<Record<string, unknown>>

export function fieldsOf(base: string, what: string, value: unknown): Fields {
  if (value === null || typeof value !== 'object') throw notNode(base, `${what} is no object`)
  return value as Fields
}

export function field<T>(
  base: string,
  what: string,
  from: Fields,
  name: string,
  isRight: (value: unknown) => value is T,
): T {
  const value = from[name]
  if (!isRight(value)) throw notNode(base, `${what} has no proper ${name}`)
  return value
}

export const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
export const isHeight = (value: unknown): value is number =>
  Number.isInteger(value) && 0 <= Number(value) && Number(value) <= HEIGHT_LIMIT
/** The largest time of a `Date`. */
const MAX_TIME_MS = 8.64e15
export const isTime = (value: unknown): value is number =>
  Number.isSafeInteger(value) && 0 <= Number(value) && Number(value) <= MAX_TIME_MS
/** A u64 as decimal text: grains, nonces. */
export const isGrains = (value: unknown): value is string =>
  typeof value === 'string' && /^\d{1,20}$/.test(value) && BigInt(value) < 1n << 64n
export const isList = (value: unknown): value is unknown[] => Array.isArray(value)
export const isText = (value: unknown): value is string => typeof value === 'string'
const isCode = (value: unknown): value is string => typeof value === 'string' && /^[A-Z][A-Z_]{0,63}$/.test(value)
