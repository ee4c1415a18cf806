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
}

/** One node process of the local network. */
export interface NodeChild {
  readonly name: string
  readonly process: ChildProcess
  readonly ready: Promise<ReadyLine>
  /** Resolves with a description when the process has ended. */
  readonly exited: Promise<string>
}

const READY_MS = 60_000

/**
 * Starts a node in its own process group: a Ctrl-C in the terminal reaches only the devnet command, which then stops its
 * children one by one. Its standard input stays open as a lifeline: if this process dies, the child sees it close and stops.
 */
export function startChild(name: string, args: readonly string[], logPath: string): NodeChild {
  const log = openSync(logPath, 'a')
  const child = spawn(process.execPath, [...process.execArgv, entry, 'node', '--name', name, '--lifeline', ...args], {
    stdio: ['pipe', 'pipe', log],
    detached: true,
  })
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
    child.once('error', (error) => resolve(error.message))
  })
  const ready = new Promise<ReadyLine>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} was not ready within ${READY_MS / 1000} s`)), READY_MS)
    const lines = createInterface({ input: child.stdout! })
    lines.on('line', (line) => {
      if (!line.startsWith('{"ready":true')) return
      clearTimeout(timer)
      resolve(JSON.parse(line) as ReadyLine)
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
export async function stopChild(child: NodeChild, graceMs: number): Promise<void> {
  child.process.kill('SIGTERM')
  child.process.stdin?.end()
  const timer = setTimeout(() => child.process.kill('SIGKILL'), graceMs)
  await child.exited
  clearTimeout(timer)
}
