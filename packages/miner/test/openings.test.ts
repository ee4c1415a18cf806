/** What strangers can make a miner do by asking for openings (TRC-3, AUD-3). */
import { OwedTraces, serveOpenings, TraceShelf } from '@nacre/miner'
import {
  encodeOpeningsRequest,
  type FullNode,
  MAX_OPENINGS_ANSWER_BYTES,
  MAX_STEPS_PER_REQUEST,
  type PeerName,
  type RequestHandler,
  sleep,
  type TreeNode,
} from '@nacre/node'
import {
  type AuditedUnit,
  answerHash,
  auditedUnitCodec,
  auditKey,
  bytesToHex,
  commitTrace,
  encodeTransaction,
  executeUnit,
  MAX_STEP_OPENING_BYTES,
  ProtocolError,
  promptCodec,
  promptKey,
  signTransaction,
  type Trace,
  unitModel,
} from '@nacre/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'

let network: LocalNetwork
let member: LocalMember
let handler: RequestHandler
let maxRequestBytes: number | undefined
let replays: string[]
/** What opening takes, on the virtual clock. */
let openMs: number
/** What a replay does. */
let replay: (at: TreeNode) => Promise<Trace>
const trace = executeUnit(unitModel(), {
  promptTokens: [256, 1, 2, 3, 4, 5, 6, 7, 8],
  maxNewTokens: 4,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
})

/** A real chain of a few blocks, on a node that serves openings with a runner of the test. */
beforeEach(async () => {
  network = new LocalNetwork({ seed: 'openings', miners: 1 })
  member = network.members[0]!
  replays = []
  openMs = 0
  replay = async () => trace
  await network.start()
  await network.untilHeight(6)
  const { node } = member
  const block = node.chain.block.bind(node.chain)
  let last: TreeNode
  node.chain.block = (at) => {
    last = at
    return block(at)
  }
  node.network.handle = (_protocol, handle, limits) => {
    handler = handle
    maxRequestBytes = limits?.maxRequestBytes
  }
  const runner = {
    replayTrace: async () => {
      replays.push(last.hex)
      return { trace: await replay(last), traceRoot: last.header.traceRoot }
    },
    openSteps: async () => {
      if (openMs > 0) await sleep(network.clock, openMs)
      return []
    },
  }
  serveOpenings(node as FullNode, runner, new OwedTraces({ node, runner, shelf: new TraceShelf() }))
})
afterEach(() => network.stop())

const ask = (id: Uint8Array, peer: PeerName = 'peer'): Promise<Uint8Array> =>
  handler(peer, encodeOpeningsRequest({ id, steps: [{ kind: 'shape', layer: 0, group: 0, position: 0 }] }))

test('blocks of the best chain are opened until maturity, older ones not', async () => {
  const { chain, context } = member.node
  const { maturityBlocks } = context.params.block
  const { height } = chain.tip.header
  const oldest = chain.atHeight(height - maturityBlocks)!
  await expect(ask(chain.tip.id)).resolves.toBeDefined()
  await expect(ask(oldest.id)).resolves.toBeDefined()
  await expect(ask(oldest.parent!.id)).rejects.toThrow(/deep/)
  expect(replays).toEqual([chain.tip.hex, oldest.hex])
})

test('a block that is not on the best chain is never executed for anybody', async () => {
  const { chain } = member.node
  const { tip } = chain
  const isOnBestChain = chain.isOnBestChain.bind(chain)
  chain.isOnBestChain = (node) => node !== tip && isOnBestChain(node)
  await expect(ask(tip.id)).rejects.toThrow(/best chain/)
  await expect(ask(new Uint8Array(32))).rejects.toThrow(/best chain/)
  expect(replays).toEqual([])
})

test('one request of a peer is under way, and one replay of a block for all who ask', async () => {
  const { tip } = member.node.chain
  let finish!: () => void
  const gate = new Promise<void>((resolve) => {
    finish = resolve
  })
  replay = async () => {
    await gate
    return trace
  }
  const first = ask(tip.id, 'a')
  const other = ask(tip.id, 'b')
  await expect(ask(tip.id, 'a')).rejects.toMatchObject({ code: 'BUSY' })
  finish()
  await Promise.all([first, other])
  await expect(ask(tip.id, 'a')).resolves.toBeDefined()
  expect(replays).toEqual([tip.hex])
})

test('a peer that takes more than its share of time waits, then is refused; others and cheap requests do not notice', async () => {
  const { chain } = member.node
  const { clock } = network
  const timed = async (peer: PeerName): Promise<number> => {
    const fromMs = clock.nowMs()
    let done = false
    const asked = ask(chain.tip.id, peer).finally(() => {
      done = true
    })
    asked.catch(() => undefined)
    await clock.runUntil(() => done)
    await asked
    return clock.nowMs() - fromMs
  }
  openMs = 3_000
  // 8 s at once, and half of the time since.
  for (let i = 0; i < 5; i++) expect(await timed('greedy')).toBeLessThan(3_100)
  expect(await timed('greedy')).toBeGreaterThan(4_500)
  openMs = 30_000
  await timed('greedy')
  await expect(timed('greedy')).rejects.toMatchObject({ code: 'BUSY' })
  openMs = 0
  expect(await timed('modest')).toBeLessThan(100)
  for (let i = 0; i < 200; i++) expect(await timed('busy')).toBeLessThan(100)
})

test('requests and answers are bounded: 16 steps of at most 256 KiB each, a request of 1 KiB', async () => {
  const { tip } = member.node.chain
  const shape = { kind: 'shape', layer: 0, group: 0, position: 0 } as const
  const most = Array(MAX_STEPS_PER_REQUEST).fill({ ...shape, layer: 0xffff, group: 0xffff, position: 0xffffffff })
  const full = encodeOpeningsRequest({ id: tip.id, steps: most })
  expect(full.length).toBeLessThanOrEqual(maxRequestBytes!)
  await expect(handler('peer', full)).resolves.toBeDefined()
  const more = encodeOpeningsRequest({ id: tip.id, steps: [...most, shape] })
  await expect(handler('peer', more)).rejects.toMatchObject({ code: 'CODEC_MALFORMED' })
  await expect(handler('peer', encodeOpeningsRequest({ id: tip.id, steps: [] }))).rejects.toMatchObject({
    code: 'STEP_OPENING',
  })
  expect(MAX_OPENINGS_ANSWER_BYTES).toBeGreaterThanOrEqual(MAX_STEPS_PER_REQUEST * (MAX_STEP_OPENING_BYTES + 5))
})

test('a unit that does not replay is tried once, one for which there was no room again', async () => {
  const { tip } = member.node.chain
  replay = () => Promise.reject(new Error('WORKER_QUEUE_FULL'))
  for (let i = 0; i < 2; i++) await expect(ask(tip.id)).rejects.toThrow('WORKER_QUEUE_FULL')
  expect(replays).toHaveLength(2)
  replay = () => Promise.reject(new ProtocolError('BLOCK_REPLAY_TOKENS', 'other tokens'))
  for (let i = 0; i < 5; i++) await expect(ask(tip.id)).rejects.toMatchObject({ code: 'BLOCK_REPLAY_TOKENS' })
  expect(replays).toHaveLength(3)
})

test('requests do not push the traces of own winners off the shelf', () => {
  const shelf = new TraceShelf(2, 2)
  const id = (n: number): Uint8Array => new Uint8Array(32).fill(n)
  shelf.put(id(1), trace)
  for (let i = 2; i < 50; i++) shelf.putReplayed(id(i), trace)
  const kept = Array.from({ length: 50 }, (_, i) => id(i)).filter((each) => shelf.get(each) !== undefined)
  expect(kept.map((each) => bytesToHex(each).slice(0, 2))).toEqual(['01', '30', '31'])
})

test('openings of a delivered unit are asked for by its job, once executed here, and only with the trace of its receipt', async () => {
  const { node } = member
  const jobId = new Uint8Array(32).fill(9)
  const { modelId } = node.context.bootstrap.model
  const promptTokens = [...trace.tokens.slice(0, 9)]
  const answer = [...trace.tokens.slice(9)]
  const { traceRoot } = commitTrace(trace)
  const unit: AuditedUnit = {
    ...{ minerKey: member.keys.publicKey, client: new Uint8Array(20), modelId, unitId: jobId, traceRoot },
    ...{ answerHash: answerHash(answer), promptTokens: 9, newTokens: 4, maxNewTokens: 4 },
    decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false },
    ...{ openedHeight: 1, receiptHeight: 1, ratePpm: 1_000_000, feeGrains: 0n, burnedGrains: 0n, paidGrains: 0n },
    ...{ endHeight: 0, isCondemned: false },
  }
  const entries = new Map([
    [auditKey(jobId), auditedUnitCodec.encode(unit)],
    [promptKey(jobId), promptCodec.encode(promptTokens)],
  ])
  const receipt = { kind: 'receipt', jobId, unitParentId: jobId, traceRoot, tokens: answer } as const
  const unsigned = { chainId: node.context.genesis.chainId, nonce: 0n, fee: 0n, body: receipt }
  const receiptBytes = encodeTransaction(signTransaction(unsigned, member.keys))
  const { chain } = node
  const asked: (readonly number[])[] = []
  let root = traceRoot
  const view = {
    context: node.context,
    chain: {
      tree: chain.tree,
      reader: { get: (key: string) => entries.get(key) },
      atHeight: (height: number) => chain.atHeight(height),
      block: () => ({ body: { transactions: [receiptBytes] } }),
    },
  }
  const runner = {
    replayTrace: async (_model: Uint8Array, _task: unknown, tokens: readonly number[]) => {
      asked.push(tokens)
      return { trace, traceRoot: root }
    },
  }
  const traces = (): OwedTraces =>
    new OwedTraces({ node: view as unknown as FullNode, runner, shelf: new TraceShelf() })
  const honest = traces()
  expect(await honest.of(jobId)).toBe(trace)
  expect(await honest.of(jobId)).toBe(trace)
  expect(asked).toEqual([[...promptTokens, ...answer]])

  root = new Uint8Array(32).fill(1)
  const forged = traces()
  for (let i = 0; i < 3; i++) await expect(forged.of(jobId)).rejects.toMatchObject({ code: 'BLOCK_REPLAY_TRACE' })
  expect(asked).toHaveLength(2)
  entries.clear()
  await expect(forged.of(jobId)).rejects.toMatchObject({ code: 'BLOCK_PARENT_UNKNOWN' })
})
