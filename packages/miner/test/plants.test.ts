/** Planted faults on a network of real nodes (AUD-8): committed, delivered, found by a verifier's program, revealed. */
import type { UnitRunner } from '@nacre/miner'
import { encodeOpeningsRequest, MAX_OPENINGS_ANSWER_BYTES, REQUEST } from '@nacre/node'
import {
  bytesToHex,
  commitTrace,
  decodeTransaction,
  encodeAddress,
  epochOf,
  equalBytes,
  executeUnit,
  FIXED_STEPS,
  isBarred,
  type KeyPair,
  plantWindows,
  ROLE_MINER,
  readAuditedUnit,
  readAuditors,
  readFoundCounts,
  readPlanter,
  readRegistration,
  readSuspicion,
  type TransactionKind,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import { verifierLines } from '../../cli/src/commands/verifiers.ts'
import type { LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'
import { JobViews } from '../../node/src/rpc/job.ts'
import { verifiersView } from '../../node/src/rpc/market.ts'
import { heightOf, type MarketNet, marketNet, receiptsOf } from './market-net.ts'

let network: LocalNetwork
afterEach(() => network.stop())

/** Every unit is drawn, so that one job is enough. */
const OVERRIDES = [
  'audits.mode=on',
  'audits.steps=16',
  'audits.plantPpm=1000000',
  'block.maturityBlocks=24',
  'bonds.unbondingBlocks=40',
  'jobs.auditWindowBlocks=6',
]

/** One miner that plants, and a verifier with a secret. */
async function planting(
  engine: (runner: UnitRunner) => UnitRunner = (runner) => runner,
): Promise<MarketNet & { readonly miner: LocalMember }> {
  const net = await marketNet({ miners: 1, engine, overrides: OVERRIDES, member: { plants: true } })
  network = net.network
  return { ...net, miner: net.miners[0]! }
}

/** Posts jobs until one of them is delivered with a fault. Returns it. */
async function plantOne(net: MarketNet & { readonly miner: LocalMember }): Promise<Uint8Array> {
  const { plain, miner, post, job, run } = net
  const { params } = network.context
  const { chain } = plain.node
  await run(
    () =>
      readPlanter(chain.reader, epochOf(params, heightOf(plain) + 3), miner.keys.publicKey) !== undefined &&
      readAuditors(chain.reader, epochOf(params, heightOf(plain) + 3)).length > 0,
  )
  const planted = (id: Uint8Array): boolean => miner.plants!.of(bytesToHex(id)) !== undefined
  for (let i = 0; i < 8; i++) {
    const jobId = await post(job())
    await run(() => readAuditedUnit(chain.reader, jobId) !== undefined)
    if (planted(jobId)) return jobId
  }
  throw new Error('nothing was planted')
}

/** Whether the miner has openings under an id. */
async function hasOpenings({ plain, run }: MarketNet, id: Uint8Array): Promise<boolean> {
  let answer: boolean | undefined
  const request = encodeOpeningsRequest({ id, steps: FIXED_STEPS })
  const limits = { timeoutMs: 10_000, maxResponseBytes: MAX_OPENINGS_ANSWER_BYTES }
  plain.node.network.request('miner-0', REQUEST.openings, request, limits).then(
    (bytes) => {
      answer = bytes.length > 4
    },
    () => {
      answer = false
    },
  )
  await run(() => answer !== undefined)
  return answer!
}

/** Kinds that a key has sent. */
function sent({ node: { chain } }: LocalMember, { publicKey }: KeyPair): TransactionKind[] {
  const found: TransactionKind[] = []
  for (let height = 1; height <= chain.tip.header.height; height++)
    for (const bytes of chain.block(chain.atHeight(height)!)!.body.transactions) {
      const { sender, body } = decodeTransaction(bytes)
      if (equalBytes(sender, publicKey)) found.push(body.kind)
    }
  return found
}

test('a plant has a right answer and a wrong trace, is found, revealed, harms nobody, and is counted for its finder', async () => {
  const net = await planting()
  const { plain, miner, verifier, run, job } = net
  const { params } = network.context
  const { chain } = plain.node
  const jobId = await plantOne(net)
  const unit = readAuditedUnit(chain.reader, jobId)!
  const { plantedRoot, honestRoot } = miner.plants!.of(bytesToHex(jobId))!
  expect(unit.traceRoot).toEqual(plantedRoot)
  const { promptTokens, maxNewTokens, decoding } = job()
  const honest = executeUnit(network.context.bootstrap.model, { promptTokens, maxNewTokens, decoding })
  expect(receiptsOf(plain, jobId)[0]!.receipt.tokens).toEqual([...honest.tokens].slice(promptTokens.length))

  // Who executes the unit has the honest root, and is not told by its miner that this is a plant.
  expect(await hasOpenings(net, jobId)).toBe(true)
  expect(await hasOpenings(net, honestRoot)).toBe(false)
  await run(() => readSuspicion(chain.reader, jobId) !== undefined)
  expect(readSuspicion(chain.reader, jobId)!.finders).toEqual([verifier.keys.publicKey])
  const shown = () => new JobViews(plain.node).view(bytesToHex(jobId)).receipt!
  expect(shown().audit).toMatchObject({ isCondemned: false, plant: 'suspected' })
  await run(() => readSuspicion(chain.reader, jobId)?.honestRoot !== undefined)
  expect(readSuspicion(chain.reader, jobId)!.honestRoot).toEqual(honestRoot)
  expect(shown().audit).toMatchObject({ isCondemned: false, plant: 'revealed' })
  expect(await hasOpenings(net, honestRoot)).toBe(true)
  const epoch = epochOf(params, unit.openedHeight)
  await run(() => heightOf(plain) >= plantWindows(params, epoch).revealEnd)
  expect(isBarred(chain.reader, miner.keys.publicKey)).toBe(false)
  expect(readRegistration(chain.reader, ROLE_MINER, miner.keys.publicKey)!.bond).toBe(params.bonds.minerGrains)

  await run(() => readAuditedUnit(chain.reader, jobId) === undefined)
  const { planted, found } = readFoundCounts(chain.reader, verifier.keys.publicKey)
  expect(found).toBeGreaterThan(0)
  expect(planted).toBe(found)
  const { verifierKey, bondGrains, isActive, ...counts } = verifiersView(plain.node).verifiers[0]!
  expect(verifierKey).toBe(bytesToHex(verifier.keys.publicKey))
  expect({ isActive, bondGrains, ...counts }).toEqual({
    ...{ isActive: true, bondGrains: params.bonds.verifierGrains.toString(), planted, found },
    address: encodeAddress(verifier.agent.account, params.network.addressPrefix),
  })
  expect(verifierLines(verifiersView(plain.node))[1]).toMatch(new RegExp(`active +${found} of ${planted}, 100 %$`))
  // One proof for each fault: what is known is not accused again.
  const kinds = sent(plain, verifier.keys)
  const faults = kinds.filter((kind) => kind === 'fraudProof').length
  expect(kinds.filter((kind) => kind === 'accusation').length).toBe(faults)
})

test('a planter that restarts between its receipt and the reveal still reveals, and serves the trace of its receipt', async () => {
  const net = await planting()
  const { plain, miner, verifier, run } = net
  const { params } = network.context
  const { chain } = plain.node
  const jobId = await plantOne(net)
  const { openedHeight } = readAuditedUnit(chain.reader, jobId)!
  const { store, keys } = miner
  const close = store.close
  store.close = () => undefined
  await network.stopMember(miner)
  store.close = close
  // It no longer plants; what it has planted it has to show.
  const again = network.add('miner-0', 'miner', { store, keys, register: true, plants: false })
  await network.startMember(again)
  await run(() => readSuspicion(chain.reader, jobId)?.honestRoot !== undefined)
  expect(readSuspicion(chain.reader, jobId)!.finders).toEqual([verifier.keys.publicKey])
  await run(() => heightOf(plain) >= plantWindows(params, epochOf(params, openedHeight)).revealEnd)
  expect(isBarred(chain.reader, keys.publicKey)).toBe(false)
})

test('a miner that plants faults in traces which are forged as they are is found out once it names them, and barred', async () => {
  const net = await planting((runner) => ({
    ...runner,
    executeUnit: async (...unit) => {
      const { tokens, trace: honest } = await runner.executeUnit(...unit)
      const trace = structuredClone(honest)
      for (const rows of trace.x) for (let at = 0; at < rows.length; at += 8) rows[at]! += 1
      return { tokens, trace, traceRoot: commitTrace(trace).traceRoot }
    },
  }))
  // No block bars its own miner.
  await network.startMember(network.add('other', 'miner'))
  const { plain, miner, run } = net
  const { chain } = plain.node
  const jobId = await plantOne(net)
  await run(() => readSuspicion(chain.reader, jobId)?.honestRoot !== undefined)
  expect(isBarred(chain.reader, miner.keys.publicKey)).toBe(false)
  await run(() => isBarred(chain.reader, miner.keys.publicKey))
})
