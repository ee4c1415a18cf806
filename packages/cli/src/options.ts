import { OPEN_WORKS, type OpenWork } from '@nacre/engine'
import { isSilence, RpcError, rpcUrlFault } from '@nacre/node/rpc-client'
import { overrideParams, type Params, presetByName } from '@nacre/protocol'
import { CliError } from './errors.ts'

/** A whole number from a flag, in a range; a wrong one is a usage error that names the flag. */
export function integerFlag(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new CliError(`--${name} is a whole number from ${min} to ${max}, not "${text}"`, 2)
  return value
}

/** A whole number of at least 1 from a flag, such as grains, which may exceed what a number holds exactly. */
export function amountFlag(name: string, text: string, max: bigint): bigint {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) < 1n || BigInt(text) > max)
    throw new CliError(`--${name} is a whole number from 1 to ${max}, not "${text}"`, 2)
  return BigInt(text)
}

/** A fraction above 0 and at most 1 from a flag. */
export function fractionFlag(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 1)) throw new CliError(`--${name} is a number above 0 and at most 1, not "${text}"`, 2)
  return value
}

/** A kind of open work from a flag (chapter 12). */
export function workFlag(name: string, text: string): OpenWork {
  const work = OPEN_WORKS.find((kind) => kind === text)
  if (work === undefined) throw new CliError(`--${name} is one of ${OPEN_WORKS.join(', ')}, not "${text}"`, 2)
  return work
}

/** `--preset` and `--set` as parameters. */
export function paramsFrom(preset: string, overrides: readonly string[]): Params {
  return overrideParams(presetByName(preset), overrides)
}

/** Wraps `parseArgs` so that an unknown flag is a usage error. */
export function parsed<T>(parse: () => T, usage: string): T {
  try {
    return parse()
  } catch (error) {
    throw new CliError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`, 2)
  }
}

/** The one file that a command is about. */
export function oneFile(positionals: readonly string[], usage: string): string {
  const [path, ...rest] = positionals
  if (path === undefined || rest.length > 0) throw new CliError(`one FILE is needed\n\n${usage}`, 2)
  return path
}

/** The value of `--rpc`, without a slash at its end. */
export function rpcFlag(text: string): string {
  const fault = rpcUrlFault(text)
  if (fault !== undefined) throw new CliError(`--rpc is ${fault}`, 2)
  return text.replace(/\/+$/, '')
}

/** Where the devnet has the RPC of its boot node. */
export const DEFAULT_RPC = 'http://127.0.0.1:8645'

/** `--rpc`, or the default. */
export const rpcOf = (flag: string | undefined): string => rpcFlag(flag ?? DEFAULT_RPC)

/** For `catch`: tells whoever got no answer what to look at. */
export function withHint(error: unknown): never {
  if (!isSilence(error)) throw error
  throw new RpcError('NO_ANSWER', `${(error as Error).message}. Is a node running there? --rpc URL names another`)
}
