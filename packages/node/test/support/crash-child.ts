/**
 * Commits blocks to the store at argv[2] as fast as it can and reports each on standard output, until it is killed: from outside,
 * or by itself in the middle of a write, before the SQL statement number argv[5].
 */
import { readFileSync } from 'node:fs'
import { type SQLInputValue, StatementSync } from 'node:sqlite'
import { blockCodec, hexToBytes } from '@nacre/protocol'
import { easyContext } from '../../../protocol/test/chain-fixture.ts'
import { Chain } from '../../src/chain/chain.ts'
import { createSqliteStore } from '../../src/store/sqlite-store.ts'
import { Forge } from './forge.ts'

const [path, blocksPath, nowMs, lastStatement] = process.argv.slice(2) as [string, string, string, string]
const clock = { nowMs: () => Number(nowMs), after: () => () => undefined }
const store = createSqliteStore(path)
const chain = new Chain({ context: easyContext, store, workers: new Forge().workers(), clock })

let statements = 0
const { run } = StatementSync.prototype
const countingRun = function (this: StatementSync, ...values: SQLInputValue[]) {
  if (++statements === Number(lastStatement)) process.kill(process.pid, 'SIGKILL')
  return run.apply(this, values as Parameters<typeof run>)
}
StatementSync.prototype.run = countingRun as typeof run

for (const hex of readFileSync(blocksPath, 'utf8').split('\n')) {
  await chain.offer(blockCodec.decode(hexToBytes(hex)))
  process.stdout.write(`${chain.tip.header.height}\n`)
}

// Killed, never finished: the parent decides when.
setInterval(() => undefined, 60_000)
