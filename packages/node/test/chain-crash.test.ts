/** P10: a process killed at any moment leaves a store that opens to a consistent state. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { blockCodec, bytesToHex } from '@nacre/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSqliteStore } from '../src/store/sqlite-store.ts'
import { ChainBench } from './support/chain-bench.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'

const CHILD = join(import.meta.dirname, 'support', 'crash-child.ts')

/**
 *   genesis - a1 - a2 - ... - a12
 *               \- b2 - ... - b13        arrives in turn with a, so that the tip keeps moving between the branches
 */
const forge = new Forge()
const order = ['a1']
let directory: string

beforeAll(() => {
  const pay = (nonce: number, to: string) => {
    const body = transferTo(keysOf(to), 1000n)
    return transactionOf(forge.context, faucetKeys, BigInt(nonce), body)
  }
  forge.mine('a1')
  for (let height = 2; height <= 12; height++) {
    const transactions = { a: [pay(height - 2, 'x')], b: [pay(height - 2, 'y')] }
    const [first, second] = height % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const)
    for (const branch of [first, second]) {
      const on = height === 2 ? 'a1' : `${branch}${height - 1}`
      forge.mine(`${branch}${height}`, on, { transactions: transactions[branch] })
      order.push(`${branch}${height}`)
    }
  }
  directory = mkdtempSync(join(tmpdir(), 'nacre-crash-'))
  const hex = order.map((label) => bytesToHex(blockCodec.encode(forge.block(label))))
  writeFileSync(join(directory, 'blocks'), hex.join('\n'))
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Starts the child; `onHeight` may kill it. Resolves when it is dead. */
async function untilKilled(path: string, lastStatement: number, onHeight: (height: number, kill: () => void) => void) {
  const nowMs = forge.context.params.network.genesisTimeMs + 86_400_000
  const flags = ['--conditions=development', '--disable-warning=ExperimentalWarning']
  const values = [path, join(directory, 'blocks'), String(nowMs), String(lastStatement)]
  const child = spawn(process.execPath, [...flags, CHILD, ...values], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
  createInterface({ input: child.stdout }).on('line', (line) => onHeight(Number(line), () => child.kill('SIGKILL')))
  expect(await exited).toBe('SIGKILL')
}

/** The state is that of the tip's branch, entry by entry, and re-hashes to the root in the tip's header. */
async function isConsistent(path: string): Promise<number> {
  const store = createSqliteStore(path)
  const bench = new ChainBench(forge, store)
  bench.tip(forge.labelOf(bench.chain.tip.id))
  await bench.chain.resume()
  bench.tip(forge.labelOf(bench.chain.tip.id))
  await bench.chain.close()
  store.close()
  return bench.chain.tip.header.height
}

test('killed by the system at any moment, then opened again', async () => {
  const path = join(directory, 'system.sqlite')
  for (const height of [3, 8]) {
    await untilKilled(path, 0, (reached, kill) => {
      if (reached >= height) kill()
    })
    expect(await isConsistent(path)).toBeGreaterThanOrEqual(height)
  }
})

// A move of the tip is some twenty statements: these fall into moves, most of them reorganisations.
test.each([30, 47, 88])('killed before statement %d, in the middle of a write', async (statement) => {
  const path = join(directory, `${statement}.sqlite`)
  await untilKilled(path, statement, () => undefined)
  const height = await isConsistent(path)
  expect(height).toBeGreaterThanOrEqual(1)
  // Nothing is lost for good: the same blocks lead to the same end.
  const bench = new ChainBench(forge, createSqliteStore(path))
  for (const label of order) await bench.offer(label)
  bench.tip('a12')
  bench.store.close()
})
