import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex, hexToBytes } from '@nacre/protocol'
import { CliError } from '../errors.ts'

/** The folder of one node: its secrets, and its chain. */
export interface DataDir {
  readonly chainPath: string
  /** Folder of the traces that a miner keeps. */
  readonly tracesPath: string
  /** 32 bytes, made on first use and kept: the same node has the same peer id and the same keys after a restart. */
  secret(name: 'identity' | 'miner' | 'verifier'): Uint8Array
}

export function openDataDir(path: string): DataDir {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  return {
    chainPath: join(path, 'chain.sqlite'),
    tracesPath: join(path, 'traces'),
    secret: (name) => readOrCreateSecret(join(path, `${name}.key`)),
  }
}

function readOrCreateSecret(file: string): Uint8Array {
  if (existsSync(file)) {
    const text = readFileSync(file, 'utf8').trim()
    if (!/^[0-9a-f]{64}$/.test(text)) throw new CliError(`${file} is no key: 64 hex digits are expected`)
    return hexToBytes(text)
  }
  const secret = new Uint8Array(randomBytes(32))
  const fd = openSync(file, 'wx', 0o600)
  writeSync(fd, `${bytesToHex(secret)}\n`)
  closeSync(fd)
  return secret
}
