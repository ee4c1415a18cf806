/** Reads a running chain over the RPC of one node. Everything it answers is checked for shape before use. */
import type { BlockView } from '@nacre/node'
import { diffParams, overrideParams, type Params, type PresetName, paramLines, presets } from '@nacre/protocol'
import { CliError } from '../errors.ts'

const REQUEST_MS = 20_000
/** 100 blocks full of transactions are about 10 MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
/** Blocks asked for at once: the most that a node gives. */
const PAGE_BLOCKS = 100
const MAX_PARAM_LINES = 1000

/** The part of a block that the audit reads. */
export type ChainBlock = Pick<BlockView, 'height' | 'id' | 'parentId' | 'timeMs' | 'bits' | 'minerKey' | 'lane'>

/** The part of `/status` that the audit reads. */
export interface ChainStatus {
  readonly chainId: string
  readonly height: number
  readonly tip: string
  readonly premineGrains: bigint
  readonly faucetGrains: bigint
  readonly emittedGrains: bigint
  readonly deferredGrains: bigint
}

export interface PresetDifference {
  /** The preset with the fewest differing values. */
  readonly preset: PresetName
  readonly lines: readonly { readonly path: string; readonly preset: string; readonly chain: string }[]
}

export interface ChainData {
  readonly rpc: string
  readonly params: Params
  readonly difference: PresetDifference
  readonly status: ChainStatus
  /** Heights 0, 1, ... in order, each the parent of the next. */
  readonly blocks: readonly ChainBlock[]
}

/** Reads the parameters and at most `maxBlocks` blocks after genesis. Throws CliError. */
export async function readChain(rpc: string, maxBlocks: number): Promise<ChainData> {
  const base = rpcUrl(rpc)
  const { params, difference } = paramsOfLines(base, await get(base, '/params'))
  const first = await readOnce(base, maxBlocks)
  // The best chain may have changed between two answers.
  const { status, blocks } = first ?? (await readOnce(base, maxBlocks)) ?? throwReorganised(base)
  return { rpc: base, params, difference, status, blocks }
}

function throwReorganised(base: string): never {
  throw new CliError(`the blocks of ${base} do not follow one another: it reorganises, or does not tell the truth`)
}

function rpcUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new CliError(`--rpc is an address such as http://127.0.0.1:8080, not "${text}"`, 2)
  return text.replace(/\/+$/, '')
}

async function readOnce(
  base: string,
  maxBlocks: number,
): Promise<{ status: ChainStatus; blocks: ChainBlock[] } | undefined> {
  const status = statusOf(base, await get(base, '/status'))
  const last = Math.min(status.height, maxBlocks)
  const blocks: ChainBlock[] = []
  while (blocks.length <= last) {
    const to = Math.min(last, blocks.length + PAGE_BLOCKS - 1)
    const limit = to - blocks.length + 1
    const page = blocksOf(base, await get(base, `/blocks?from=${to}&limit=${limit}`)).reverse()
    for (const block of page.length === limit ? page : []) {
      const parent = blocks.at(-1)
      if (block.height !== blocks.length || (parent !== undefined && block.parentId !== parent.id)) return undefined
      blocks.push(block)
    }
    if (blocks.length !== to + 1) return undefined
  }
  return last === status.height && blocks.at(-1)!.id !== status.tip ? undefined : { status, blocks }
}

async function get(base: string, path: string): Promise<unknown> {
  let text: string
  try {
    const response = await fetch(base + path, { signal: AbortSignal.timeout(REQUEST_MS) })
    if (!response.ok) {
      await response.body?.cancel()
      throw notNode(base, `GET ${path} answered ${response.status}`)
    }
    text = await bodyText(base, path, response)
  } catch (error) {
    if (error instanceof CliError) throw error
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const code = (cause as { code?: unknown } | undefined)?.code
    throw new CliError(`cannot reach ${base}: ${typeof code === 'string' ? code : messageOf(cause)}`)
  }
  try {
    return JSON.parse(text)
  } catch {
    throw notNode(base, `GET ${path} did not answer JSON`)
  }
}

async function bodyText(base: string, path: string, response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw notNode(base, `GET ${path} answered more than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** One line, bounded: the text may come from the other side. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300)
}

const notNode = (base: string, why: string): CliError => new CliError(`${base} is not the RPC of a nacre node: ${why}`)

const HEX32 = /^[0-9a-f]{64}$/
const HEIGHT_LIMIT = 2 ** 31

type Fields = Readonly<Record<string, unknown>>

function fieldsOf(base: string, what: string, value: unknown): Fields {
  if (value === null || typeof value !== 'object') throw notNode(base, `${what} is no object`)
  return value as Fields
}

function field<T>(base: string, what: string, from: Fields, name: string, isRight: (value: unknown) => value is T): T {
  const value = from[name]
  if (!isRight(value)) throw notNode(base, `${what} has no proper ${name}`)
  return value
}

const isHash = (value: unknown): value is string => typeof value === 'string' && HEX32.test(value)
const isHeight = (value: unknown): value is number =>
  Number.isInteger(value) && 0 <= Number(value) && Number(value) <= HEIGHT_LIMIT
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isBits = (value: unknown): value is string => typeof value === 'string' && /^0x[0-9a-f]{1,8}$/.test(value)
const isLane = (value: unknown): value is ChainBlock['lane'] => value === 'bootstrap' || value === 'paid'
const isGrains = (value: unknown): value is string => typeof value === 'string' && /^\d{1,20}$/.test(value)
const isList = (value: unknown): value is unknown[] => Array.isArray(value)

function statusOf(base: string, answer: unknown): ChainStatus {
  const from = fieldsOf(base, '/status', answer)
  const grains = (name: string): bigint => BigInt(field(base, '/status', from, name, isGrains))
  return {
    chainId: field(base, '/status', from, 'chainId', isHash),
    height: field(base, '/status', from, 'height', isHeight),
    tip: field(base, '/status', from, 'tip', isHash),
    premineGrains: grains('premineGrains'),
    faucetGrains: grains('faucetGrains'),
    emittedGrains: grains('emittedGrains'),
    deferredGrains: grains('deferredGrains'),
  }
}

function blocksOf(base: string, answer: unknown): ChainBlock[] {
  const list = field(base, '/blocks', fieldsOf(base, '/blocks', answer), 'blocks', isList)
  return list.map((entry) => {
    const from = fieldsOf(base, 'a block', entry)
    return {
      height: field(base, 'a block', from, 'height', isHeight),
      id: field(base, 'a block', from, 'id', isHash),
      parentId: field(base, 'a block', from, 'parentId', isHash),
      timeMs: field(base, 'a block', from, 'timeMs', isTime),
      bits: field(base, 'a block', from, 'bits', isBits),
      minerKey: field(base, 'a block', from, 'minerKey', isHash),
      lane: field(base, 'a block', from, 'lane', isLane),
    }
  })
}

/** Parameters of `/params`, every line of them given, and the preset that they are nearest to. */
function paramsOfLines(base: string, answer: unknown): { params: Params; difference: PresetDifference } {
  const list = field(base, '/params', fieldsOf(base, '/params', answer), 'lines', isList)
  const lines = list.filter((line) => typeof line === 'string')
  if (lines.length !== list.length || lines.length > MAX_PARAM_LINES) throw notNode(base, '/params has no proper lines')
  const params = paramsFromLines(base, lines)
  const known = paramLines(params)
  if (known.length !== lines.length || known.some((line, i) => line !== lines[i]))
    throw new CliError(`${base} has parameters that are not complete in this version`)
  const [preset, differences] = Object.entries(presets)
    .map(([name, value]) => [name as PresetName, diffParams(value, params)] as const)
    .reduce((best, each) => (each[1].length < best[1].length ? each : best))
  const changed = differences.map(({ path, a, b }) => ({ path, preset: a ?? '(absent)', chain: b ?? '(absent)' }))
  return { params, difference: { preset, lines: changed } }
}

/** A parameter that no rule reads cannot be changed, so the right preset must be under the lines. */
function paramsFromLines(base: string, lines: readonly string[]): Params {
  let reason = ''
  for (const preset of Object.values(presets)) {
    try {
      return overrideParams(preset, lines)
    } catch (error) {
      reason = messageOf(error)
    }
  }
  throw new CliError(`${base} has parameters that this version cannot read: ${reason}`)
}
