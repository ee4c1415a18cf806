/** A miner that starts again opens what it has delivered, from disk, and executes only what the disk has lost (AUD-3). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeByteList, encodeOpeningsRequest, MAX_OPENINGS_ANSWER_BYTES, REQUEST } from '@nacre/node'
import {
  auditedTask,
  bytesToHex,
  checkReceiptStep,
  FIXED_STEPS,
  readAuditedUnit,
  type StepRef,
  stepOpeningCodec,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import type { LocalNetwork } from '../../cli/test/local-network.ts'
import { marketNet } from './market-net.ts'

let network: LocalNetwork | undefined
const dir = mkdtempSync(join(tmpdir(), 'nacre-traces-'))
afterEach(async () => {
  await network?.stop()
  rmSync(dir, { recursive: true, force: true })
})

test('openings of a delivered unit after a restart: from its file, and if that is spoilt from an execution', async () => {
  const traces = { dir, quotaBytes: 1 << 20 }
  const net = await marketNet({
    miners: 1,
    member: { traces },
    overrides: ['audits.mode=on', 'block.maturityBlocks=24', 'bonds.unbondingBlocks=40', 'jobs.auditWindowBlocks=6'],
  })
  network = net.network
  const { plain, run, post, job } = net
  const miner = net.miners[0]!
  const jobId = await post(job())
  await run(() => readAuditedUnit(plain.node.chain.reader, jobId) !== undefined)
  const { store, keys } = miner
  const close = store.close
  store.close = () => undefined
  await network.stopMember(miner)
  store.close = close
  let executions = 0
  const again = network.add('miner-0', 'miner', {
    ...{ store, keys, traces },
    runner: (engine) => ({
      ...engine,
      replayTrace: (modelId, task, ...rest) => {
        // Blocks are opened too, and their traces are not kept.
        if (task.promptTokens.join() === job().promptTokens.join()) executions++
        return engine.replayTrace(modelId, task, ...rest)
      },
    }),
  })
  await network.startMember(again)

  const steps: StepRef[] = [...FIXED_STEPS, { kind: 'head', layer: 0, group: 0, position: 17 }]
  const ask = async (): Promise<void> => {
    const sent = plain.node.network.request('miner-0', REQUEST.openings, encodeOpeningsRequest({ id: jobId, steps }), {
      timeoutMs: 10_000,
      maxResponseBytes: MAX_OPENINGS_ANSWER_BYTES,
    })
    let answer: Uint8Array | undefined
    void sent.then((bytes) => {
      answer = bytes
    })
    await run(() => answer !== undefined)
    const unit = readAuditedUnit(plain.node.chain.reader, jobId)!
    const task = auditedTask(plain.node.chain.reader, jobId, unit)
    const openings = decodeByteList(answer!, steps.length, MAX_OPENINGS_ANSWER_BYTES, 'openings')
    for (const bytes of openings)
      checkReceiptStep(net.network.context.bootstrap.model, unit, task, stepOpeningCodec.decode(bytes))
  }
  await ask()
  expect(executions).toBe(0)
  writeFileSync(join(dir, `${bytesToHex(jobId)}.trace`), 'spoilt')
  await ask()
  expect(executions).toBe(1)
})
