/** AUD-6, AUD-7: `nacre job verify --accuse` where the chain is left, the node forgets, blocks do not take the proof, or the fault is planted (AUD-8). */
import { type AccusationProgress, type AnswerProof, accuse } from '@nacre/gateway'
import {
  chainIdOf,
  epochOf,
  isTransactionOfKind,
  type KeyPair,
  readAuditedUnit,
  readPlanter,
  readSuspicion,
  stepOpeningCodec,
} from '@nacre/protocol'
import { checkAnswer, rpcAnswerSource } from '@nacre/verifier/client'
import { afterEach, expect, test } from 'vitest'
import { heightOf, isSame, NCR } from '../../miner/test/market-net.ts'
import { proofPathOf, readProofFile } from '../src/jobs/proof-file.ts'
import { AccuseNet, hexOf, ROOMY } from './accuse-net.ts'
import type { LocalMember } from './local-network.ts'

let nodes: AccuseNet
afterEach(() => nodes.stop())

const stateOf = ({ node }: LocalMember, jobId: Uint8Array) => readAuditedUnit(node.chain.reader, jobId)
const names = (members: readonly LocalMember[]): string[] => members.map(({ name }) => name)

/** The proof that a sample of 16 finds, as the command makes it. */
async function proofOf(jobId: Uint8Array): Promise<AnswerProof> {
  const { context } = nodes.net.network
  const check = await nodes.during(
    checkAnswer({
      source: rpcAnswerSource(nodes.rpc.url),
      ...{ chainId: chainIdOf(context.params), jobId, seed: new Uint8Array(32).fill(9), steps: 16 },
      model: async () => context.bootstrap.model,
      signal: AbortSignal.timeout(60_000),
    }),
  )
  if (check.outcome !== 'wrong') throw new Error(check.outcome)
  const { minerKey, unit } = check.claim
  const answer = {
    ...{ minerKey: hexOf(minerKey), traceRoot: hexOf(unit.traceRoot), answerHash: hexOf(unit.answerHash) },
  }
  return { jobId, answer, salt: new Uint8Array(32).fill(8), opening: check.evidence.opening, signed: [] }
}

/** Accuses in the background. */
function accusing(keys: KeyPair, proof: AnswerProof) {
  const told: AccusationProgress[] = []
  const kept: AnswerProof[] = []
  const { params } = nodes.net.network.context
  const ending = accuse({
    ...{ rpcUrl: nodes.rpc.url, params, keys, proof, signal: AbortSignal.timeout(90_000) },
    keep: async (next) => void kept.push(next),
    onProgress: (progress) => told.push(progress),
  })
  void ending.catch(() => undefined)
  return { told, kept, ending }
}

const until = (isThere: () => boolean): Promise<void> =>
  nodes.during(
    (async () => {
      while (!isThere()) await new Promise((resolve) => setTimeout(resolve, 5))
    })(),
  )

/** A garbled unit; five miners more; `few` (the user's node and one miner) apart from all others. */
async function apart() {
  nodes = await AccuseNet.start({ miners: 1, overrides: [...ROOMY, 'audits.plantPpm=0'] })
  const { network, plain } = nodes.net
  for (const name of ['other-1', 'other-2', 'other-3', 'other-4']) await network.startMember(network.add(name, 'miner'))
  const wallet = await nodes.wallet(2n * NCR)
  const jobId = await nodes.forged('which branch?')
  const proof = await proofOf(jobId)
  await nodes.net.run(() => network.members.every(({ node }) => node.chain.tip.hex === plain.node.chain.tip.hex))
  const few = network.members.filter(({ name }) => name === 'plain' || name === 'other-1')
  const many = network.members.filter((member) => !few.includes(member))
  network.hub.partition(names(few), names(many))
  return { wallet, jobId, proof, many, network, plain }
}

test.each(['committed', 'proven'] as const)(
  '%s on a branch that loses, it is so again on the one that wins',
  async (step) => {
    const { wallet, jobId, proof, many, network, plain } = await apart()
    const { told, ending } = accusing(wallet.keys, proof)
    await until(() => told.some((each) => each.step === step))
    const lost = plain.node.chain.tip
    await until(() => many[0]!.node.chain.tip.totalWork > plain.node.chain.tip.totalWork)
    network.hub.heal()
    const end = await nodes.during(ending)
    expect(plain.node.chain.isOnBestChain(lost)).toBe(false)
    expect(end).toMatchObject({ outcome: 'condemned', bountyGrains: NCR / 10n })
    const heights = told.flatMap((each) => (each.step === 'committed' ? [each.height] : []))
    expect(heights.length).toBeGreaterThan(1)
    expect(stateOf(many[0]!, jobId)!.isCondemned).toBe(true)
    expect(nodes.sentBy(wallet.keys)).toEqual(['accusation', 'fraudProof'])
  },
)

test('a node that does not know the commitment is given it again', async () => {
  const { wallet, proof, many, network } = await apart()
  const { told, kept, ending } = accusing(wallet.keys, proof)
  await until(() => told.some(({ step }) => step === 'sent'))
  // The same address, and behind it a node that has heard nothing.
  const { plain } = nodes.net
  await nodes.listen(many.find(({ name }) => name === 'verifier')!)
  await until(() => told.some(({ step }) => step === 'lost'))
  network.hub.heal()
  expect(await nodes.during(ending)).toMatchObject({ outcome: 'condemned' })
  await nodes.net.run(() => many.every(({ node }) => node.chain.tip.hex === plain.node.chain.tip.hex))
  expect(nodes.sentBy(wallet.keys)).toEqual(['accusation', 'fraudProof'])
  // With the same nonce, so that one of the two is in a block at most, and other bytes: peers pass equal ones on only once.
  const [first, second] = kept.at(-1)!.signed
  expect(second).toMatchObject({ kind: 'accusation', nonce: first!.nonce })
  expect(second!.feeGrains).toBeGreaterThan(first!.feeGrains)
})

test('an interruption ends the wait, and the kept proof goes on; where no block takes it in time, that is said', async () => {
  nodes = await AccuseNet.start({ miners: 5, overrides: [...ROOMY, 'audits.plantPpm=0', 'audits.accusationBlocks=12'] })
  const wallet = await nodes.wallet(2n * NCR)
  const jobId = await nodes.forged('how long?')
  const proof = await proofOf(jobId)
  const { params } = nodes.net.network.context
  const abort = new AbortController()
  let kept = proof
  const options = {
    rpcUrl: nodes.rpc.url,
    params,
    keys: wallet.keys,
    keep: async (next: AnswerProof) => {
      kept = next
    },
  }
  const interrupted = accuse({
    ...{ ...options, proof, signal: abort.signal },
    onProgress: ({ step }) => step === 'committed' && abort.abort(),
  })
  await expect(nodes.during(interrupted)).rejects.toMatchObject({ name: 'JobError', code: 'STOPPED' })
  expect(kept.signed).toHaveLength(1)
  // Nobody is there until its time is over: the deposit is back, and the next run commits anew.
  const before = nodes.balanceOf(wallet.keys)
  const height = heightOf(nodes.net.plain)
  await nodes.net.run(() => heightOf(nodes.net.plain) > height + 20)
  expect(nodes.balanceOf(wallet.keys)).toBe(before + NCR / 2n)
  const end = await nodes.during(accuse({ ...options, proof: kept, signal: AbortSignal.timeout(60_000) }))
  expect(end).toMatchObject({ outcome: 'condemned' })
  expect(nodes.sentBy(wallet.keys)).toEqual(['accusation', 'accusation', 'fraudProof'])

  // A right step is no proof: nothing checks it before it is sent here, and the network takes the deposit.
  const honest = await nodes.delivered('and what of this?')
  const step = { kind: 'input', layer: 0, group: 0, position: 0 } as const
  const brought = await nodes.during(
    rpcAnswerSource(nodes.rpc.url).openings(honest, [step], AbortSignal.timeout(30_000)),
  )
  const { minerKey, traceRoot, answerHash } = stateOf(nodes.net.plain, honest)!
  const answer = { minerKey: hexOf(minerKey), traceRoot: hexOf(traceRoot), answerHash: hexOf(answerHash) }
  const right = { ...proof, jobId: honest, answer, opening: stepOpeningCodec.decode(brought.openings[0]!) }
  const [funds, fees] = [nodes.balanceOf(wallet.keys), nodes.feesOf(wallet.keys)]
  const refuted = await nodes.during(accuse({ ...options, proof: right, signal: AbortSignal.timeout(60_000) }))
  expect(refuted).toEqual({ outcome: 'refuted', proofHeight: expect.any(Number) })
  expect(nodes.balanceOf(wallet.keys)).toBe(funds - NCR / 2n - (nodes.feesOf(wallet.keys) - fees))

  // Whoever makes blocks leaves the proof out.
  const second = await nodes.forged('and now?')
  const another = await proofOf(second)
  for (const { miner, node } of nodes.net.network.members)
    if (miner !== undefined) {
      const all = node.mempool.candidates.bind(node.mempool)
      node.mempool.candidates = (...args) => all(...args).filter((bytes) => !isTransactionOfKind(bytes, 'fraudProof'))
    }
  const missed = await nodes.during(accuse({ ...options, proof: another, signal: AbortSignal.timeout(60_000) }))
  expect(missed).toMatchObject({ outcome: 'missed', lastHeight: expect.any(Number) })
  expect(heightOf(nodes.net.plain)).toBeGreaterThanOrEqual((missed as { lastHeight: number }).lastHeight)
})

test('a planted fault: under suspicion by this wallet, by another, and at last named by its miner', async () => {
  nodes = await AccuseNet.start({
    miners: 1,
    overrides: [
      ...ROOMY,
      'audits.plantPpm=1000000',
      'audits.accusationDelayBlocks=2',
      'audits.responseBlocks=10',
      'audits.verdictBlocks=24',
    ],
    member: { plants: true },
  })
  const { plain, miners, post, job, run } = nodes.net
  const { chain } = plain.node
  const { params } = nodes.net.network.context
  const miner = miners[0]!
  const wallet = await nodes.wallet(2n * NCR)
  const copying = await nodes.wallet(2n * NCR)
  await run(() => readPlanter(chain.reader, epochOf(params, heightOf(plain) + 3), miner.keys.publicKey) !== undefined)
  let jobId: Uint8Array
  do {
    jobId = await post(job())
    await run(() => stateOf(plain, jobId) !== undefined)
  } while (miner.plants!.of(hexOf(jobId)) === undefined)
  const hex = hexOf(jobId)

  const first = await nodes.verify(hex, '--sample', '200', ...nodes.flags(wallet), '--json')
  expect(first.error).toMatchObject({ code: 'ANSWER_FALSE', exitCode: 1 })
  const { accusation } = JSON.parse(first.stdout).error
  expect(accusation).toMatchObject({ outcome: 'suspected', bountyGrains: `${NCR / 10n}` })
  expect(first.error!.message).toMatch(/until block \d+ its miner may name the unit as a plant \(AUD-8\)/)
  expect(isSame(readSuspicion(chain.reader, jobId)!.finders[0]!, wallet.keys.publicKey)).toBe(true)
  expect(nodes.balanceOf(wallet.keys)).toBe(2n * NCR - nodes.feesOf(wallet.keys))

  const second = await nodes.verify(hex, '--sample', '200', ...nodes.flags(copying), '--json')
  expect(JSON.parse(second.stdout).error.accusation).toEqual({ outcome: 'forestalled', as: 'suspected' })
  expect(nodes.sentBy(copying.keys)).toEqual([])

  await run(() => readSuspicion(chain.reader, jobId)?.honestRoot !== undefined)
  expect(heightOf(plain)).toBeLessThanOrEqual(accusation.lastRevealHeight)
  const third = await nodes.verify(hex, ...nodes.flags(wallet), '--sample', '4')
  expect(third.error!.message).toMatch(
    /Accused by this wallet in block \d+, the deposit is back: its miner has named the unit as a plant \(AUD-8\)/,
  )
  // Whoever has a proof of it from before sends nothing any more.
  const owner = { chainId: hexOf(chainIdOf(params)), publicKey: wallet.keys.publicKey }
  const stored = await readProofFile(proofPathOf(wallet.path, hex), owner, hex)
  const proof = { ...stored!, signed: [] }
  const late = accuse({
    ...{ rpcUrl: nodes.rpc.url, params, keys: copying.keys, proof, signal: AbortSignal.timeout(30_000) },
    keep: () => Promise.reject(new Error('nothing is to be sent')),
  })
  expect(await nodes.during(late)).toEqual({ outcome: 'planted' })
})
