import { utf8ToBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import { MAX_MODELS } from '../limits.ts'
import { checkParams } from './check.ts'
import { fieldOf, type ParamField } from './fields.ts'
import type { Params } from './types.ts'

type Leaf = number | bigint | string
type Tree = { [key: string]: Tree | Leaf }

/** `Params` as sorted `path=value` lines: the form of the hash, of `diff` and of `--set` (section 4). */
export function paramLines(params: Params): string[] {
  const lines: string[] = []
  const walk = (prefix: string, node: unknown): void => {
    if (node !== null && typeof node === 'object') {
      for (const [key, child] of Object.entries(node)) walk(prefix === '' ? key : `${prefix}.${key}`, child)
    } else {
      lines.push(`${prefix}=${String(node)}`)
    }
  }
  walk('', params)
  return lines.sort()
}

/** The hash of all parameters, part of the genesis block. */
export function paramsHash(params: Params): Uint8Array {
  return taggedHash('params', utf8ToBytes(paramLines(params).join('\n')))
}

/** Paths whose values differ, with both values (`undefined` where a side lacks the path). */
export function diffParams(a: Params, b: Params): { path: string; a: string | undefined; b: string | undefined }[] {
  const toMap = (params: Params): Map<string, string> =>
    new Map(paramLines(params).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
  const left = toMap(a)
  const right = toMap(b)
  return [...new Set([...left.keys(), ...right.keys()])]
    .sort()
    .filter((path) => left.get(path) !== right.get(path))
    .map((path) => ({ path, a: left.get(path), b: right.get(path) }))
}

function parseValue(path: string, field: ParamField, value: string): Leaf {
  switch (field.kind) {
    case 'integer':
      check(/^\d{1,16}$/.test(value), 'PARAM_TYPE', `${path} is an integer (${field.unit}), not "${value}"`)
      return Number(value)
    case 'amount':
      check(/^\d{1,20}$/.test(value), 'PARAM_TYPE', `${path} is an amount in grains, not "${value}"`)
      return BigInt(value)
    case 'choice':
    case 'text':
      return value
  }
}

/**
 * `params` with overrides such as `block.timeMs=2000`. Throws PARAM_* that names the path and the reason:
 * unknown paths, wrong types, impossible ranges, contradictions, and values whose code does not exist.
 */
export function overrideParams(params: Params, overrides: readonly string[]): Params {
  const copy = structuredCopy(params)
  for (const line of overrides) {
    const at = line.indexOf('=')
    check(at > 0, 'PARAM_TYPE', `"${line}" is not of the form path=value`)
    const path = line.slice(0, at)
    const field = fieldOf(path)
    if (field === undefined) throw new ProtocolError('PARAM_UNKNOWN', `there is no parameter ${path}`)
    const keys = path.split('.')
    let node: Tree = copy
    for (const key of keys.slice(0, -1)) {
      if (keys[0] === 'models' && /^\d+$/.test(key) && node[key] === undefined) {
        const index = Number(key)
        check(index < MAX_MODELS && index === Object.keys(node).length, 'PARAM_UNKNOWN', `there is no model ${index}`)
        node[key] = {}
      }
      node = node[key] as Tree
    }
    node[keys.at(-1)!] = parseValue(path, field, line.slice(at + 1))
  }
  const result = copy as unknown as Params
  checkParams(result)
  return result
}

function structuredCopy(params: Params): Tree {
  const clone = (node: unknown): unknown =>
    Array.isArray(node)
      ? node.map(clone)
      : node !== null && typeof node === 'object'
        ? Object.fromEntries(Object.entries(node).map(([key, child]) => [key, clone(child)]))
        : node
  return clone(params) as Tree
}
