/** The parameters that a node states. */
import {
  bytesToHex,
  chainIdOf,
  diffParams,
  overrideParams,
  type Params,
  type PresetName,
  paramLines,
  presets,
} from '@nacre/protocol'
import { messageOf, notNode, RpcError } from './errors.ts'
import { field, fieldsOf, isHash, isHeight, isList } from './fields.ts'
import { get } from './request.ts'

const MAX_PARAM_LINES = 1000

export interface PresetDifference {
  /** The preset with the fewest differing values. */
  readonly preset: PresetName
  readonly lines: readonly { readonly path: string; readonly preset: string; readonly chain: string }[]
}

/** Parameters of `/params`, every line of them given, and the preset that they are nearest to. */
export async function readParams(
  base: string,
  interrupt?: AbortSignal,
): Promise<{ params: Params; difference: PresetDifference }> {
  const list = field(base, '/params', fieldsOf(base, '/params', await get(base, '/params', interrupt)), 'lines', isList)
  const lines = list.filter((line) => typeof line === 'string')
  if (lines.length !== list.length || lines.length > MAX_PARAM_LINES) throw notNode(base, '/params has no proper lines')
  const params = paramsFromLines(base, lines)
  const known = paramLines(params)
  if (known.length !== lines.length || known.some((line, i) => line !== lines[i]))
    throw new RpcError('PARAMS', `${base} has parameters that are not complete in this version`)
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
  throw new RpcError('PARAMS', `${base} has parameters that this version cannot read: ${reason}`)
}

/** The id of the chain that a node is on, hex. */
export async function readChainId(base: string, interrupt?: AbortSignal): Promise<string> {
  const status = fieldsOf(base, '/status', await get(base, '/status', interrupt))
  return field(base, '/status', status, 'chainId', isHash)
}

/** The parameters of a node's chain. The chain id is their hash, so a node cannot state others than its chain has. */
export async function readChain(base: string, interrupt?: AbortSignal): Promise<{ params: Params; chainId: string }> {
  const chainId = await readChainId(base, interrupt)
  const { params } = await readParams(base, interrupt)
  if (bytesToHex(chainIdOf(params)) !== chainId) throw notNode(base, 'its chain id is not that of its parameters')
  return { params, chainId }
}

/** The height of a node's best chain. */
export async function readHeight(base: string, interrupt?: AbortSignal): Promise<number> {
  return field(base, '/health', fieldsOf(base, '/health', await get(base, '/health', interrupt)), 'height', isHeight)
}
