import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../nacre.ts', import.meta.url))

/** What a node process says on its standard output once it is up. */
export interface ReadyLine {
  readonly rpc: string
  readonly addresses: readonly string[]
  /** Hex; only miners have one. */
  readonly minerKey?: string
  /** Of the node's own key; boot has none. */
  readonly address?: string
}

/** What a gateway process says. */
export interface GatewayReadyLine {
  readonly url: string
  readonly baseUrl: string
  /** Of the wallet that pays. */
  readonly address: string
}

/** One process of the local network. */
export interface Child<Ready> {
  readonly name: string
  readonly process: ChildProcess
  readonly ready: Promise<Ready>
  /** Resolves with a description when the process has ended. */
  readonly exited: Promise<string>
}
export type NodeChild = Child<ReadyLine>
export type GatewayChild = Child<GatewayReadyLine>

const READY_MS = 60_000

/** @param program takes the arguments of the `nacre` command, which it is by default. */
export const startNode = (name: string, args: readonly string[], logPath: string, program: string = entry): NodeChild =>
  startChild(name, ['node', '--name', name, ...args], logPath, program)

export const startGatewayChild = (args: readonly string[], logPath: string): GatewayChild =>
  startChild('gateway', ['gateway', ...args], logPath, entry)

/**
 * Starts a command in its own process group: a Ctrl-C in the terminal reaches only the devnet command, which then stops its
 * children one by one. Its standard input stays open as a lifeline: if this process dies, the child sees it close and stops.
 */
function startChild<Ready>(name: string, args: readonly string[], logPath: string, program: string): Child<Ready> {
  const log = openSync(logPath, 'a')
  const child = spawn(process.execPath, [...process.execArgv, program, ...args, '--lifeline'], {
    stdio: ['pipe', 'pipe', log],
    detached: true,
  })
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
    child.once('error', (error) => resolve(error.message))
  })
  const ready = new Promise<Ready>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} was not ready within ${READY_MS / 1000} s`)), READY_MS)
    const lines = createInterface({ input: child.stdout! })
    lines.on('line', (line) => {
      if (!line.startsWith('{"ready":true')) return
      clearTimeout(timer)
      resolve(JSON.parse(line) as Ready)
    })
    void exited.then((how) => {
      clearTimeout(timer)
      reject(new Error(`${name} ended at start (${how}); its log is ${logPath}`))
    })
  })
  ready.catch(() => undefined)
  child.stdin!.on('error', () => undefined)
  return { name, process: child, ready, exited }
}

/** Asks a child to stop, and kills it if it does not within `graceMs`. */
export async function stopChild(child: Child<unknown>, graceMs: number): Promise<void> {
  child.process.kill('SIGTERM')
  child.process.stdin?.end()
  const timer = setTimeout(() => child.process.kill('SIGKILL'), graceMs)
  await child.exited
  clearTimeout(timer)
}
