/** Fields of an answer, each checked before use. */
import { MAX_UNIT_TOKENS } from '@nacre/protocol'
import { notNode } from './errors.ts'

const HEIGHT_LIMIT = 2 ** 31
/** An answer has at most some thousand entries: heights that mature, or the transactions of a full block. */
const MAX_ENTRIES = 20_000

export type Fields = Readonly<Record<string, unknown>>
export type Check<T> = (value: unknown) => value is T

/** Throws RpcError NOT_A_NODE. @param what the answer, for the message. */
export function fieldsOf(base: string, what: string, value: unknown): Fields {
  if (value === null || typeof value !== 'object') throw notNode(base, `${what} is no object`)
  return value as Fields
}

export function field<T>(base: string, what: string, from: Fields, name: string, isRight: Check<T>): T {
  const value = from[name]
  if (!isRight(value)) throw notNode(base, `${what} has no proper ${name}`)
  return value
}

/** Reads fields of one object, each with its check. */
export interface FieldReader {
  readonly from: Fields
  read<T>(name: string, isRight: Check<T>): T
  /** An object with the field, or an empty one where it is absent. */
  optional<K extends string, T>(name: K, isRight: Check<T>): { readonly [P in K]?: T }
  amount(name: string): bigint
  object(name: string, entry: string): FieldReader
  list(name: string, entry: string): FieldReader[]
}

export function reader(base: string, what: string, value: unknown): FieldReader {
  const from = fieldsOf(base, what, value)
  const read = <T>(name: string, isRight: Check<T>): T => field(base, what, from, name, isRight)
  return {
    from,
    read,
    optional: <K extends string, T>(name: K, isRight: Check<T>) =>
      (from[name] === undefined ? {} : { [name]: read(name, isRight) }) as { readonly [P in K]?: T },
    amount: (name) => BigInt(read(name, isGrains)),
    object: (name, entry) => reader(base, entry, from[name]),
    list: (name, entry) => read(name, isShortList).map((each) => reader(base, entry, each)),
  }
}

export const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
export const isHeight = (value: unknown): value is number => isCount(value) && value <= HEIGHT_LIMIT
/** A whole number that is exact. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && 0 <= Number(value)
/** The largest time of a `Date`. */
const MAX_TIME_MS = 8.64e15
export const isTime = (value: unknown): value is number => isCount(value) && value <= MAX_TIME_MS
/** A u64 as decimal text: grains, nonces. */
export const isGrains = (value: unknown): value is string =>
  typeof value === 'string' && /^\d{1,20}$/.test(value) && BigInt(value) < 1n << 64n
/** Any whole number as decimal text: work and MACs, which 128 bits hold. */
export const isWhole = (value: unknown): value is string => typeof value === 'string' && /^\d{1,40}$/.test(value)
export const isList = (value: unknown): value is unknown[] => Array.isArray(value)
const isShortList = (value: unknown): value is unknown[] => isList(value) && value.length <= MAX_ENTRIES
export const isText = (value: unknown): value is string => typeof value === 'string'
export const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'
export const isCode = (value: unknown): value is string =>
  typeof value === 'string' && /^[A-Z][A-Z_]{0,63}$/.test(value)
export const isAddress = (value: unknown): value is string =>
  isText(value) && /^[a-z]{1,16}1[a-z0-9]{1,80}$/.test(value)
/** A name that a message can hold. */
export const isName = (value: unknown): value is string => isText(value) && /^[\x21-\x7e]{1,64}$/.test(value)
const isToken = (value: unknown): value is number => isCount(value) && value < 2 ** 32
export const isTokens = (value: unknown): value is number[] =>
  isList(value) && value.length <= MAX_UNIT_TOKENS && value.every(isToken)
