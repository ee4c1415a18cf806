/** The file of API keys: who may ask, and how much. It holds hashes; a key itself is shown once and never again. */
import { createHash, randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { VerifyMode } from '../../jobs/types.ts'
import { ApiError, invalidRequest } from '../api-error.ts'
import { GatewayConfigError, readConfigFile } from '../config-error.ts'
import { Fields } from '../fields.ts'
import { MAX_API_KEYS, MAX_KEY_FILE_BYTES } from '../limits.ts'
import { VERIFY_MODES } from '../policy.ts'

export interface ApiKey {
  /** Names the key in listings, logs and the ledger. */
  readonly id: string
  readonly name: string
  /** SHA-256 of the key, hex: keys are 256 random bits, so no slower hash is needed. */
  readonly hash: string
  /** Most grains that its jobs may cost in one window. */
  readonly limitGrains: bigint
  readonly windowHours: number
  readonly requestsPerMinute: number
  /** Requests that may wait for an answer at once. */
  readonly maxConcurrent: number
  /** Goes before that of the alias and of the gateway. */
  readonly verify: VerifyMode | undefined
  readonly createdMs: number
}

export type ApiKeySettings = Omit<ApiKey, 'id' | 'hash' | 'createdMs'>

const VERSION = 1
/** Above every supply, and in range of the ledger's integers. */
const MAX_LIMIT_GRAINS = (1n << 62n) - 1n
export const DEFAULT_KEY_SETTINGS = { windowHours: 24, requestsPerMinute: 60, maxConcurrent: 8 } as const
export const MAX_WINDOW_HOURS: number = 24 * 366
export const MAX_REQUESTS_PER_MINUTE = 100_000
export const MAX_CONCURRENT = 256

export const hashOfKey = (key: string): string => createHash('sha256').update(key).digest('hex')

/** A key and its entry. The key is `nk-` and 32 random bytes; nothing else is needed to use it. */
export function createApiKey(
  settings: ApiKeySettings,
  nowMs: number,
): { readonly key: string; readonly entry: ApiKey } {
  const key = `nk-${randomBytes(32).toString('base64url')}`
  const entry = { ...settings, id: `key_${randomBytes(6).toString('hex')}`, hash: hashOfKey(key), createdMs: nowMs }
  return { key, entry }
}

/** The keys in a file. Throws GatewayConfigError, also where there is none. */
export async function readKeys(path: string): Promise<readonly ApiKey[]> {
  const hint = `: "gateway key add --keys ${path}" makes one`
  return parseKeys(await readConfigFile('keys', path, MAX_KEY_FILE_BYTES, hint), path)
}

/** Checks everything before it is used. */
export function parseKeys(text: string, path: string): readonly ApiKey[] {
  try {
    const fields = new Fields(JSON.parse(text), undefined)
    if (fields.needed('version') !== VERSION) throw invalidRequest(`"version" must be ${VERSION}.`, 'version')
    const list = fields.needed('keys')
    fields.finish()
    if (!Array.isArray(list) || list.length > MAX_API_KEYS)
      throw invalidRequest(`"keys" must be an array of at most ${MAX_API_KEYS} keys.`, 'keys')
    const keys = list.map((each, i) => keyOf(new Fields(each, `keys[${i}]`)))
    for (const what of ['id', 'hash'] as const) {
      if (new Set(keys.map((key) => key[what])).size < keys.length)
        throw invalidRequest(`Two keys have the same "${what}".`, 'keys')
    }
    return keys
  } catch (error) {
    if (error instanceof ApiError || error instanceof SyntaxError)
      throw new GatewayConfigError(`the keys ${path} are wrong: ${error.message}`)
    throw error
  }
}

function keyOf(fields: Fields): ApiKey {
  const text = (name: string, shape: RegExp): string => {
    const value = fields.needed(name)
    if (typeof value !== 'string' || !shape.test(value))
      throw invalidRequest(`"${fields.path(name)}" must match ${shape.source}.`, undefined)
    return value
  }
  const integer = (name: string, min: number, max: number): number => {
    const value = fields.integer(name, min, max)
    if (value === undefined) throw invalidRequest(`"${fields.path(name)}" is needed.`, undefined)
    return value
  }
  const limit = BigInt(text('limitGrains', /^\d{1,19}$/))
  if (limit > MAX_LIMIT_GRAINS)
    throw invalidRequest(`"${fields.path('limitGrains')}" is above ${MAX_LIMIT_GRAINS}.`, undefined)
  const key: ApiKey = {
    id: text('id', /^[a-z0-9_-]{1,64}$/),
    name: text('name', /^[\p{L}\p{N} ._@-]{1,64}$/u),
    hash: text('hash', /^[0-9a-f]{64}$/),
    limitGrains: limit,
    windowHours: integer('windowHours', 1, MAX_WINDOW_HOURS),
    requestsPerMinute: integer('requestsPerMinute', 1, MAX_REQUESTS_PER_MINUTE),
    maxConcurrent: integer('maxConcurrent', 1, MAX_CONCURRENT),
    verify: fields.choice('verify', VERIFY_MODES),
    createdMs: integer('createdMs', 0, Number.MAX_SAFE_INTEGER),
  }
  fields.finish()
  return key
}

/** The content of a file with these keys. Throws GatewayConfigError where `parseKeys` would refuse it. */
export function formatKeys(keys: readonly ApiKey[], path: string): string {
  const json = {
    version: VERSION,
    keys: keys.map(({ limitGrains, ...key }) => ({ ...key, limitGrains: limitGrains.toString() })),
  }
  const text = `${JSON.stringify(json, undefined, 2)}\n`
  parseKeys(text, path)
  return text
}

/** Finds a key by what a client sends, and follows changes of the file. */
export interface KeyStore {
  find(key: string): ApiKey | undefined
  readonly size: number
  stop(): void
}

/** How often the file is looked at: how long a revoked key lives on. */
const RELOAD_MS = 1_000

/**
 * Opens a file of keys. A later version that cannot be read is reported and leaves the keys as they were.
 * Rejects with GatewayConfigError.
 */
export async function openKeyStore(path: string, onError: (error: Error) => void): Promise<KeyStore> {
  const version = async (): Promise<string> => {
    const { mtimeMs, size, ino } = await stat(path)
    return `${mtimeMs}/${size}/${ino}`
  }
  const versionOrNone = (): Promise<string | undefined> => version().catch(() => undefined)
  const byHash = (keys: readonly ApiKey[]): ReadonlyMap<string, ApiKey> =>
    new Map(keys.map((each) => [each.hash, each]))
  // The version first: what changes in between is then seen as a change.
  let seen = await versionOrNone()
  let keys = byHash(await readKeys(path))
  /** The last version that could not be read, so that each is reported once. */
  let unreadable: string | undefined
  let isLooking = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    let now: string | undefined
    try {
      now = await version()
      if (now === seen) return
      keys = byHash(await readKeys(path))
      seen = now
      unreadable = undefined
    } catch (error) {
      // It is read again until it can be: a revoked key must not live on because one attempt failed.
      const what = now ?? (error as Error).message
      if (what !== unreadable) onError(error as Error)
      unreadable = what
    } finally {
      isLooking = false
    }
  }
  const timer = setInterval(() => void look(), RELOAD_MS)
  timer.unref()
  return {
    find: (key) => keys.get(hashOfKey(key)),
    get size() {
      return keys.size
    },
    stop: () => clearInterval(timer),
  }
}
