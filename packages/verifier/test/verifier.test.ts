/** The verifier asks for openings of sampled steps and believes nobody (TRC-3, AUD-3). */

import type { UnitRunner } from '@nacre/miner'
import {
  decodeByteList,
  decodeOpeningsRequest,
  encodeByteList,
  encodeOpeningsRequest,
  encodeStatus,
  type FullNode,
  type Logger,
  type MinerClaim,
  NetworkError,
  type NodeEvents,
  type PeersFor,
  REQUEST,
  signMinerClaim,
  silentLogger,
  sleep,
  type TreeNode,
} from '@nacre/node'
import {
  assignedTask,
  bytesToHex,
  checkStep,
  commitTrace,
  executeUnit,
  keyPairFromSeed,
  openStep,
  type StepOpening,
  type StepRef,
  stepOpeningCodec,
  type Trace,
  type UnitTask,
} from '@nacre/protocol'
import { OpeningsSource, Verifier } from '@nacre/verifier'
import { afterEach, describe, expect, test } from 'vitest'
import { type LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'

type Verdict = NodeEvents['verdict']
let network: LocalNetwork
afterEach(() => network.stop())

const TASK: UnitTask = {
  promptTokens: [1, 2, 3],
  maxNewTokens: 2,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
}

/** Collects a verifier's verdicts and the penalties it gives. */
function watch(verifier: LocalMember): { verdicts: Verdict[]; penalties: string[] } {
  const verdicts: Verdict[] = []
  const penalties: string[] = []
  verifier.node.events.on('verdict', (verdict) => verdicts.push(verdict))
  verifier.node.network.penalise = (peer, points, reason) => void penalties.push(`${peer} ${points} ${reason}`)
  return { verdicts, penalties }
}

/** A miner whose openings go through `change` on their way out. */
const lying =
  (change: (openings: readonly StepOpening[]) => readonly StepOpening[]) =>
  (runner: UnitRunner): UnitRunner => ({
    ...runner,
    openSteps: async (trace, steps) => change(await runner.openSteps(trace, steps)),
  })

test.each([
  ['comes to know one a little later', 6_000, 'right'],
  ['never does', Number.POSITIVE_INFINITY, 'unanswered'],
] as const)('a verifier that knows nobody who serves openings and %s', async (_, servedAfterMs, outcome) => {
  network = new LocalNetwork({ seed: 'young', miners: 1, verifiers: 1 })
  const verifier = network.members[1]!
  const { verdicts, penalties } = watch(verifier)
  const startMs = network.clock.nowMs()
  const request = verifier.node.network.request.bind(verifier.node.network)
  verifier.node.network.request = (peer, protocol, ...rest) => {
    const isServed = protocol !== REQUEST.openings || network.clock.nowMs() - startMs >= servedAfterMs
    return isServed
      ? request(peer, protocol, ...rest)
      : Promise.reject(new NetworkError('PROTOCOL_UNSUPPORTED', 'no such protocol'))
  }
  await network.start()
  await network.clock.runUntil(() => verdicts.length >= 1)
  expect(verdicts[0]!.outcome).toBe(outcome)
  expect(penalties).toEqual([])
})

test('honest openings: every block gets a good verdict, of its miner', async () => {
  network = new LocalNetwork({ seed: 'honest', miners: 2, verifiers: 1 })
  const verifier = network.members[2]!
  const { verdicts, penalties } = watch(verifier)
  await network.start()
  await network.clock.runUntil(() => verdicts.length >= 8)
  expect(
    verdicts.every(({ outcome, steps, reason }) => outcome === 'right' && steps === 4 && reason === undefined),
  ).toBe(true)
  for (const { blockId, height } of verdicts) expect(verifier.node.chain.tree.get(blockId)?.header.height).toBe(height)
  expect(new Set(verdicts.map(({ blockId }) => blockId)).size).toBe(verdicts.length)
  expect(penalties).toEqual([])
})

describe('a miner that lies', () => {
  const flipLeaf = (opening: StepOpening): StepOpening => {
    const at = opening.subtrees.findIndex(({ leaves }) => leaves.length > 0)
    const subtrees = opening.subtrees.map((subtree, i) =>
      i === at ? { ...subtree, leaves: subtree.leaves.map((leaf, j) => (j === 0 ? flipByte(leaf) : leaf)) } : subtree,
    )
    return { ...opening, subtrees }
  }
  const flipByte = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte))
  const cases: [string, (openings: readonly StepOpening[]) => readonly StepOpening[], RegExp][] = [
    ['one byte of a leaf changed', (openings) => openings.map(flipLeaf), /^miner-0 50 (STEP|TRACE|MERKLE)_/],
    ['one step fewer', (openings) => openings.slice(1), /^miner-0 50 STEP_OPENING/],
    ['no step at all', () => [], /^miner-0 50 STEP_OPENING/],
    ['the same step each time', (openings) => openings.map(() => openings[0]!), /^miner-0 50 STEP_OPENING/],
    ['the steps in another order', (openings) => [...openings].reverse(), /^miner-0 50 STEP_OPENING/],
  ]

  test.each(cases)('%s', async (_name, change, penalty) => {
    network = new LocalNetwork({ seed: 'lie', miners: 0 })
    network.add('miner-0', 'miner', { runner: lying(change) })
    const { verdicts, penalties } = watch(network.add('verifier-0', 'verifier'))
    await network.start()
    await network.clock.runUntil(() => verdicts.length > 0)
    expect(verdicts[0]).toMatchObject({ outcome: 'unanswered', reason: expect.stringMatching(/^(STEP|TRACE|MERKLE)_/) })
    expect(penalties[0]).toMatch(penalty)
  })

  test('another peer that holds the trace is asked, and the block is cleared', async () => {
    network = new LocalNetwork({ seed: 'second opinion', miners: 0 })
    const liar = network.add('miner-0', 'miner', { runner: lying((openings) => openings.map(flipLeaf)) })
    network.add('miner-1', 'miner')
    const verifier = network.add('verifier-0', 'verifier')
    const { verdicts, penalties } = watch(verifier)
    await network.start()
    // Where two blocks have one height, miner-1 may be on the other.
    const ofLiar = (): Verdict[] =>
      verdicts.filter(({ blockId }) => {
        const { chain } = verifier.node
        const at = chain.tree.get(blockId)!
        return at.header.minerKey.join() === liar.keys.publicKey.join() && chain.isOnBestChain(at)
      })
    await network.clock.runUntil(() => ofLiar().length >= 2)
    expect(ofLiar().every(({ outcome }) => outcome === 'right')).toBe(true)
    expect(penalties.length).toBeGreaterThanOrEqual(2)
    expect(new Set(penalties.map((penalty) => penalty.split(' ')[0]))).toEqual(new Set(['miner-0']))
  })

  test('one that does not answer leaves its unit unanswered, and nobody is penalised for silence', async () => {
    network = new LocalNetwork({ seed: 'silence', miners: 0 })
    const silent = (runner: UnitRunner): UnitRunner => ({ ...runner, openSteps: () => new Promise(() => undefined) })
    network.add('miner-0', 'miner', { runner: silent })
    const { verdicts, penalties } = watch(network.add('verifier-0', 'verifier'))
    await network.start()
    await network.clock.runUntil(() => verdicts.length > 0)
    expect(verdicts[0]).toMatchObject({ outcome: 'unanswered', reason: expect.stringContaining('TIMEOUT') })
    expect(penalties).toEqual([])
  })
})

describe('peers that are of no use', () => {
  /** What the status of the `i`th such peer says of the miner. */
  type Claim = (i: number, peer: string, miner: LocalMember) => MinerClaim | undefined
  /** As a miner's own processes can. */
  const proven: Claim = (_, peer, { node, keys }) => signMinerClaim(node.context.genesis.chainId, peer, keys)
  /** Peers that are connected to a verifier before the miner is. */
  const surround = (
    count: number,
    claim: Claim,
    openings: () => Promise<Uint8Array>,
  ): { verifier: LocalMember; penalised: string[]; asked: string[] } => {
    network = new LocalNetwork({ seed: 'sybils', miners: 1, verifiers: 1 })
    const [miner, verifier] = network.members as [LocalMember, LocalMember]
    const { chainId, id: tip } = network.context.genesis
    network.hub.disconnect(miner.name, verifier.name)
    for (let i = 0; i < count; i++) {
      const sybil = network.hub.join(`sybil-${i}`)
      const minerClaim = claim(i, sybil.self, miner)
      const status = encodeStatus({ chainId, height: 0, tip, totalWork: 0n, minerClaim })
      sybil.handle(REQUEST.status, async () => status, { maxRequestBytes: 1024 })
      sybil.handle(REQUEST.openings, openings, { maxRequestBytes: 1024 })
      network.hub.connect(sybil.self, verifier.name)
    }
    network.hub.connect(miner.name, verifier.name)
    const penalised: string[] = []
    const penalise = verifier.node.network.penalise.bind(verifier.node.network)
    verifier.node.network.penalise = (peer, points, reason) => {
      penalised.push(`${peer} ${points} ${reason}`)
      penalise(peer, points, reason)
    }
    const asked: string[] = []
    const request = verifier.node.network.request.bind(verifier.node.network)
    verifier.node.network.request = (peer, protocol, ...rest) => {
      if (protocol === REQUEST.openings) asked.push(peer)
      return request(peer, protocol, ...rest)
    }
    return { verifier, penalised, asked }
  }
  const garbage = async (): Promise<Uint8Array> => encodeByteList([new Uint8Array(3)])
  const refusal = (): Promise<Uint8Array> => Promise.reject(new Error('no'))
  const silence = (): Promise<Uint8Array> => new Promise(() => undefined)

  test.each<[string, Claim]>([
    ['claim nothing', () => undefined],
    ['replay its claim', (_, _peer, miner) => miner.node.status().minerClaim],
    [
      'sign its key with their own',
      (i, peer, { node, keys }) => {
        const own = keyPairFromSeed(new Uint8Array(32).fill(i))
        return { ...signMinerClaim(node.context.genesis.chainId, peer, own), minerKey: keys.publicKey }
      },
    ],
  ])('forty that do not hold the key and %s: only the miner is asked', async (what, claim) => {
    const { verifier, penalised, asked } = surround(40, claim, silence)
    const verdicts: Verdict[] = []
    verifier.node.events.on('verdict', (verdict) => verdicts.push(verdict))
    await network.start()
    await network.clock.runUntil(() => verdicts.length >= 8)
    expect(verdicts.every(({ outcome }) => outcome === 'right')).toBe(true)
    expect(new Set(asked)).toEqual(new Set(['miner-0']))
    const isRefused = what !== 'claim nothing'
    expect(penalised.length >= 40).toBe(isRefused)
    expect(penalised.every((each) => /^sybil-\d+ 50 SIGNATURE_INVALID$/.test(each))).toBe(true)
  })

  test.each([
    ['lie', garbage],
    ['refuse', refusal],
  ])('eight that hold the key and %s never make a unit of the miner bad', async (what, openings) => {
    const { verifier, penalised } = surround(8, proven, openings)
    const { outcomes } = watchOutcomes(verifier)
    await network.start()
    await network.clock.runUntil(() => outcomes.length >= 12)
    expect(new Set(outcomes).has('fraud')).toBe(false)
    // After three useless answers a peer is behind all others, or it is banned.
    expect(outcomes.slice(-4)).toEqual(Array(4).fill('right'))
    expect(penalised.some((each) => each.startsWith('miner-0'))).toBe(false)
    if (what === 'refuse') expect(penalised).toEqual([])
  })

  test('eight that hold the key and never answer hold up a unit for a second each, and after a while none at all', async () => {
    const { verifier } = surround(8, proven, silence)
    const { verdicts, penalties } = watch(verifier)
    await network.start()
    await network.clock.runUntil(() => verdicts.length >= 12)
    expect(verdicts.every(({ outcome }) => outcome === 'right')).toBe(true)
    const waitsMs = verdicts.map(({ checkMs }) => checkMs)
    expect(Math.max(...waitsMs)).toBeLessThan(8_500)
    expect(Math.max(...waitsMs.slice(-2))).toBeLessThan(500)
    expect(penalties).toEqual([])
  })

  test('one peer is asked for one thing at a time, and several for several units at once', async () => {
    network = new LocalNetwork({ seed: 'turns', miners: 1, verifiers: 1 })
    const { node } = network.members[1]!
    const { model } = network.context.bootstrap
    const trace = executeUnit(model, TASK)
    const step: StepRef = { kind: 'shape', layer: 0, group: 0, position: 0 }
    const answer = encodeByteList([stepOpeningCodec.encode(openStep(trace, commitTrace(trace), step))])
    const open = new Map<string, number>()
    const asked: string[] = []
    const miners = new Map([
      [1, 'one'],
      [2, 'two'],
      [3, 'deaf'],
    ])
    node.peersFor = (key) => ({ miners: [miners.get(key[0]!)!], others: key[0] === 3 ? ['two'] : [] })
    node.network.request = async (peer) => {
      asked.push(peer)
      open.set(peer, (open.get(peer) ?? 0) + 1)
      expect(open.get(peer)).toBe(1)
      await sleep(network.clock, peer === 'deaf' ? 10_000 : 700)
      open.set(peer, 0)
      if (peer === 'deaf') throw new NetworkError('TIMEOUT', 'no answer')
      return answer
    }
    const source = new OpeningsSource(node)
    const startMs = network.clock.nowMs()
    const ended: string[] = []
    const ask = async (name: string, miner: number): Promise<void> => {
      const unit = { id: new Uint8Array(32), minerKey: new Uint8Array(32).fill(miner) }
      const { outcome } = await source.ask(unit, [step], () => 0, new AbortController().signal)
      ended.push(`${name} ${outcome} ${network.clock.nowMs() - startMs}`)
    }
    const all = Promise.all([ask('a', 1), ask('b', 1), ask('c', 2), ask('d', 3), ask('e', 3)])
    await network.clock.runUntil(startMs + 3_000)
    // d waits a second for the deaf one, e for its turn with it; then both turn to the other one.
    expect(ended).toEqual(['a right 700', 'c right 700', 'b right 1400', 'd right 1700', 'e right 2400'])
    // Whoever is silent just now comes last.
    const late = ask('f', 3)
    await network.clock.runUntil(startMs + 20_000)
    await Promise.all([all, late])
    expect(ended.at(-1)).toBe('f right 3700')
    expect(asked).toEqual(['one', 'two', 'deaf', 'one', 'two', 'two', 'two'])
  })

  /** A source whose peers all take so long for each answer, and what each ask has come to and when. */
  const slowly = (answerMs: number) => {
    network = new LocalNetwork({ seed: 'slow', miners: 1, verifiers: 1 })
    const { node } = network.members[1]!
    const trace = executeUnit(network.context.bootstrap.model, TASK)
    const step: StepRef = { kind: 'shape', layer: 0, group: 0, position: 0 }
    const opening = stepOpeningCodec.encode(openStep(trace, commitTrace(trace), step))
    const requests: number[] = []
    node.peersFor = () => ({ miners: ['miner-0'], others: [] })
    node.network.request = async (_peer, _protocol, bytes) => {
      requests.push(network.clock.nowMs())
      await sleep(network.clock, Math.min(answerMs, 10_000))
      if (answerMs >= 10_000) throw new NetworkError('TIMEOUT', 'no answer')
      return encodeByteList(decodeOpeningsRequest(bytes).steps.map(() => opening))
    }
    const source = new OpeningsSource(node)
    const startMs = network.clock.nowMs()
    const ended: string[] = []
    const ask = async (signal = new AbortController().signal, steps = [step]): Promise<void> => {
      const unit = { id: new Uint8Array(32), minerKey: new Uint8Array(32) }
      const { outcome } = await source.ask(unit, steps, () => 0, signal)
      ended.push(`${outcome} ${network.clock.nowMs() - startMs}`)
    }
    const wait = (ms: number) => network.clock.runUntil(startMs + ms)
    return { ask, ended, wait, requests, step, node }
  }

  test('a miner that takes its time for each of four units is waited for', async () => {
    const { ask, ended, wait } = slowly(4_000)
    const all = Promise.all([ask(), ask(), ask(), ask()])
    await wait(30_000)
    expect(ended).toEqual(['right 4000', 'right 8000', 'right 12000', 'right 16000'])
    await all
  })

  test('one that says nothing is waited for once, not once for each unit', async () => {
    const { ask, ended, wait, requests } = slowly(10_000)
    const all = Promise.all([ask(), ask(), ask(), ask()])
    await wait(60_000)
    expect(ended).toEqual(Array(4).fill('unanswered 10000'))
    expect(requests).toHaveLength(1)
    await all
  })

  test('whoever stops asking waits for no answer', async () => {
    const { ask, ended, wait, requests, step } = slowly(9_000)
    const stop = new AbortController()
    const all = Promise.all([ask(stop.signal, Array(40).fill(step)), ask(stop.signal)])
    await wait(500)
    stop.abort()
    await wait(501)
    expect(ended).toHaveLength(2)
    await all
    await wait(60_000)
    expect(requests).toHaveLength(1)
  })

  const watchOutcomes = (verifier: LocalMember): { outcomes: Verdict['outcome'][] } => {
    const outcomes: Verdict['outcome'][] = []
    verifier.node.events.on('verdict', ({ outcome }) => outcomes.push(outcome))
    return { outcomes }
  }

  test('at most eight peers are asked, first of all two that run the miner, then others', async () => {
    network = new LocalNetwork({ seed: 'interleave', miners: 1, verifiers: 1 })
    const verifier = network.members[1]!
    const miners = Array.from({ length: 20 }, (_, i) => `miner-${i}`)
    const others = Array.from({ length: 20 }, (_, i) => `other-${i}`)
    const asked: [id: string, peer: string][] = []
    verifier.node.peersFor = () => ({ miners, others })
    verifier.node.network.request = (peer, protocol, bytes) => {
      if (protocol === REQUEST.openings) asked.push([bytesToHex(decodeOpeningsRequest(bytes).id), peer])
      return Promise.reject(new NetworkError('CLOSED_WITHOUT_ANSWER', 'no'))
    }
    const { verdicts } = watch(verifier)
    await network.start()
    await network.clock.runUntil(() => verdicts.length > 0)
    const peers = asked.filter(([id]) => id === verdicts[0]!.blockId).map(([, peer]) => peer)
    expect(new Set(peers).size).toBe(8)
    expect(peers[0]).toMatch(/^miner-/)
    const times = (name: string): number => peers.filter((peer) => peer.startsWith(name)).length
    // Those of the miner twice.
    expect([times('miner-'), times('other-')]).toEqual([4, 6])
    expect(verdicts[0]).toMatchObject({ outcome: 'unanswered', reason: 'CLOSED_WITHOUT_ANSWER: no (8 peers)' })
  })

  test('a miner that takes its time for one unit keeps a place among those asked for the next, the last', async () => {
    const { ask, ended, wait, node } = slowly(4_000)
    const answer = node.network.request
    const asked: string[] = []
    node.network.request = async (peer, ...request) => {
      asked.push(peer)
      if (peer !== 'miner-0') throw new NetworkError('CLOSED_WITHOUT_ANSWER', 'no')
      return answer.call(node.network, peer, ...request)
    }
    const first = ask()
    await wait(1_500)
    const others = Array.from({ length: 20 }, (_, i) => `other-${i}`)
    node.peersFor = () => ({ miners: ['miner-0'], others })
    const second = ask()
    await wait(10_000)
    await Promise.all([first, second])
    expect(ended).toEqual(['right 4000', 'right 8000'])
    expect(asked).toHaveLength(9)
    expect(asked.indexOf('miner-0', 1)).toBe(8)
  })

  test('a miner that has yet to see the block is asked again after a second, and no other peer twice', async () => {
    const { ask, ended, wait, requests, node } = slowly(0)
    const others = Array.from({ length: 20 }, (_, i) => `other-${i}`)
    node.peersFor = () => ({ miners: ['miner-0'], others })
    const answer = node.network.request
    const asked: string[] = []
    node.network.request = async (peer, ...request) => {
      asked.push(peer)
      if (peer !== 'miner-0' || asked.length === 1) throw new NetworkError('CLOSED_WITHOUT_ANSWER', 'no')
      return answer.call(node.network, peer, ...request)
    }
    const all = ask()
    await wait(5_000)
    await all
    expect(ended).toEqual(['right 1000'])
    expect(requests).toHaveLength(1)
    expect(asked.filter((peer) => peer === 'miner-0')).toHaveLength(2)
    expect(new Set(asked).size).toBe(asked.length - 1)
  })
})

test('an authentic opening of a wrong step is fraud: reported with what contradicts it, and its bearer is not blamed', async () => {
  // The root of a trace whose attention outputs are not those of the model; the verifier believes it to be the block's.
  const forge = (trace: Trace): Trace => ({
    ...trace,
    o: trace.o.map((layer) => layer.map((value) => (value === 0 ? 1 : 0))),
  })
  const errors: Record<string, unknown>[] = []
  network = new LocalNetwork({ seed: 'fraud', miners: 0 })
  network.add('miner-0', 'miner', {
    runner: (runner) => ({
      ...runner,
      openSteps: async (trace, steps) => {
        const forged = forge(trace)
        const commitment = commitTrace(forged)
        return steps.map((step) => openStep(forged, commitment, step))
      },
    }),
  })
  const log: Logger = { ...silentLogger, error: (record) => void errors.push({ ...record }) }
  const member = network.add('verifier-0', 'plain', { log })
  const { node } = member
  const { chain, context } = node
  const { model } = context.bootstrap
  const forgedChain = {
    isOnBestChain: (at: TreeNode) => chain.isOnBestChain(at),
    block: (at: TreeNode) => {
      const block = chain.block(at)!
      const { traceRoot } = commitTrace(forge(executeUnit(model, assignedTask(context, block.header))))
      return { ...block, header: { ...block.header, traceRoot } }
    },
  }
  const peersFor = (key: Uint8Array): PeersFor => node.peersFor(key)
  const { clock, random, events, network: peers } = node
  const view = { clock, random, events, network: peers, context, log, peersFor, chain: forgedChain }
  const verifier = new Verifier({ node: view as unknown as FullNode, stepsPerUnit: 16 })
  verifier.start()
  const { verdicts, penalties } = watch(member)
  await network.start()
  await network.clock.runUntil(() => verdicts.some(({ outcome }) => outcome === 'fraud'))
  const verdict = verdicts.find(({ outcome }) => outcome === 'fraud')!
  expect(verdict.reason).toMatch(/^STEP_MISMATCH/)
  expect(errors[0]).toMatchObject({
    event: 'verdict',
    ...verdict,
    contradiction: expect.stringContaining('re-executed'),
  })
  expect(penalties).toEqual([])
  await verifier.stop()
})

test('openings of a block from before a restart come from executing the unit again', async () => {
  network = new LocalNetwork({ seed: 'restart', miners: 1 })
  const [before] = network.members
  await network.startMember(before!)
  await network.untilHeight(3)
  const first = before!.node.chain.atHeight(1)!
  const { store, keys } = before!
  const close = store.close
  store.close = () => undefined
  await network.stopMember(before!)
  store.close = close

  let replays = 0
  const counting = (runner: UnitRunner): UnitRunner => ({
    ...runner,
    replayTrace: async (...unit) => {
      replays++
      await sleep(network.clock, 50)
      return runner.replayTrace(...unit)
    },
  })
  const again = network.add('miner-0', 'miner', { store, keys, runner: counting })
  await again.node.start()
  const askers = Array.from({ length: 6 }, (_, i) => network.hub.join(`asker-${i}`))
  for (const { self } of askers) network.hub.connect(self, 'miner-0')
  const steps: StepRef[] = [
    { kind: 'shape', layer: 0, group: 0, position: 0 },
    { kind: 'ffn', layer: 1, group: 0, position: 9 },
  ]
  const send = (wanted: readonly StepRef[], asker = askers[5]!): Promise<Uint8Array> => {
    const request = encodeOpeningsRequest({ id: first.id, steps: wanted })
    const options = { timeoutMs: 5000, maxResponseBytes: 1 << 20 }
    const answer = asker.request('miner-0', REQUEST.openings, request, options)
    answer.catch(() => undefined)
    return answer
  }
  const ask = async (wanted: readonly StepRef[]): Promise<Uint8Array[]> => {
    const answer = send(wanted)
    await network.clock.runUntil(network.clock.nowMs() + 200)
    return decodeByteList(await answer, 16, 1 << 20, 'openings')
  }
  const many = askers.slice(0, 5).map((asker) => send(steps, asker))
  const openings = (await ask(steps)).map((bytes) => stepOpeningCodec.decode(bytes))
  expect(openings.map(({ ref }) => ref)).toEqual(steps)
  const { model } = network.context.bootstrap
  const { header } = first
  const task = assignedTask(network.context, header)
  for (const opening of openings) checkStep({ model, task, traceRoot: header.traceRoot, opening })
  expect(new Set((await Promise.all(many)).map((bytes) => bytes.join())).size).toBe(1)
  await ask(steps)
  expect(replays).toBe(1)
  // A step that does not exist and no step at all are refused without an answer.
  await expect(ask([{ kind: 'ffn', layer: 99, group: 0, position: 0 }])).rejects.toMatchObject({
    code: 'CLOSED_WITHOUT_ANSWER',
  })
  await expect(ask([])).rejects.toMatchObject({ code: 'CLOSED_WITHOUT_ANSWER' })
})
