/**
 * `launch audit --rpc`: a chain of three miners in one process, read over HTTP; answers that were changed on the way;
 * and the figures of made-up chains.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type RpcServer, startRpc } from '@nacre/node'
import {
  bootstrapCoinbase,
  bytesToHex,
  chainIdOf,
  cumulativeEmission,
  genesisOf,
  keyPairFromSeed,
  nextBits,
  overrideParams,
  partOf,
  presets,
  readAmount,
  readJob,
  subsidy,
} from '@nacre/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { assignedJob } from '../../protocol/test/bindings/network.ts'
import { minePaidBlock } from '../../protocol/test/chain-fixture.ts'
import { auditJson, auditLaunch } from '../src/launch/audit.ts'
import { auditChain } from '../src/launch/chain.ts'
import { chainFindings } from '../src/launch/chain-findings.ts'
import type { Verdict } from '../src/launch/findings.ts'
import { auditHtml } from '../src/launch/html.ts'
import { type ChainBlock, type ChainData, readChain } from '../src/launch/rpc.ts'
import { auditText } from '../src/launch/text.ts'
import { LocalNetwork } from './local-network.ts'

const HEIGHT = 15
const params = overrideParams(presets.unit, ['network.name=audited', 'emission.rampBlocks=20'])

let network: LocalNetwork
let rpc: RpcServer
const servers: Server[] = []

beforeAll(async () => {
  network = new LocalNetwork({ seed: 'launch', params, miners: 3 })
  await network.start()
  await network.untilHeight(HEIGHT)
  rpc = await startRpc({ node: network.members[0]!.node, host: '127.0.0.1', port: 0, role: 'boot' })
}, 60_000)

afterAll(async () => {
  for (const server of servers) server.close()
  await rpc.stop()
  await network.stop()
})

async function listening(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The node's RPC with answers changed on the way. */
function lyingRpc(change: (path: string, answer: Record<string, unknown>) => unknown): Promise<string> {
  const server = createServer(async (request, response) => {
    const answer = (await (await fetch(rpc.url + request.url)).json()) as Record<string, unknown>
    response.end(JSON.stringify(change(request.url!, answer)))
  })
  return listening(server)
}

const verdictsOf = (data: ChainData): Record<string, Verdict> =>
  Object.fromEntries(chainFindings(data, auditChain(data)).map(({ id, verdict }) => [id, verdict]))

test('an honest chain: parameters, winners, rewards, schedule', async () => {
  const data = await readChain(`${rpc.url}/`, 10_000)
  expect(data.params).toEqual(params)
  expect(data.difference.preset).toBe('unit')
  expect(data.difference.lines).toEqual([
    { path: 'emission.rampBlocks', preset: '10', chain: '20' },
    { path: 'network.name', preset: 'unit', chain: 'audited' },
  ])
  const chain = auditChain(data)
  const node = network.members[0]!.node.chain
  const height = node.tip.header.height
  expect(chain.blocksRead).toBe(height)
  for (const { minerKey, blocks } of chain.miners) {
    const heights = Array.from({ length: height }, (_, i) => i + 1)
    const own = heights.filter((at) => bytesToHex(node.atHeight(at)!.header.minerKey) === minerKey)
    expect(own).toHaveLength(blocks)
  }
  const paid = chain.miners.reduce((sum, { rewardGrains }) => sum + rewardGrains, 0n)
  const emitted = cumulativeEmission(params, height)
  expect(chain.supply.emittedGrains).toBe(emitted)
  const verifiers = Array.from({ length: height }, (_, i) =>
    partOf(subsidy(params, i + 1), params.emission.verifierSharePpm),
  ).reduce((sum, grains) => sum + grains, 0n)
  expect(paid + chain.supply.deferredGrains + verifiers).toBe(emitted)
  expect(chain.lanes).toEqual({ bootstrap: height, paid: 0, open: 0 })
  expect(chain.windows.map(({ label, blocks }) => [label, blocks])).toEqual([
    ['first 10', 10],
    ['all', height],
  ])
  expect(chain.blockTimes!.meanMs * (height - 1)).toBeCloseTo(data.blocks.at(-1)!.timeMs - data.blocks[1]!.timeMs, 3)
  expect(chain.firstBlockDelayMs).toBe(data.blocks[1]!.timeMs - params.network.genesisTimeMs)
  expect(verdictsOf(data)).toEqual({
    'chain-id': 'PASS',
    supply: 'PASS',
    difficulty: 'PASS',
    coinbases: 'PASS',
    published: 'PASS',
    'first-block': 'PASS',
    pace: 'WARN',
    concentration: 'WARN',
  })
})

test('the report of a chain, twice the same; only the first blocks if asked', async () => {
  const data = await readChain(rpc.url, 12)
  expect(data.blocks).toHaveLength(13)
  const audit = auditLaunch(data.params, { subject: 'a chain', overrides: [] }, data)
  expect(audit.chain!.supply.computedDeferredGrains).toBeUndefined()
  const html = auditHtml(audit, data.params)
  expect(
    auditHtml(
      auditLaunch(data.params, { subject: 'a chain', overrides: [] }, await readChain(rpc.url, 12)),
      data.params,
    ),
  ).toBe(html)
  expect(html).not.toMatch(/<script|<link|<img|NaN|undefined/)
  expect(html).toMatch(/Of \d+ blocks the first 12 were read/)
  expect(auditText(audit)).toMatch(/nearest preset unit, from which differ:\n {2}emission\.rampBlocks: 10 -> 20/)
  expect(JSON.parse(auditJson(audit)).chain.miners.length).toBeGreaterThan(0)
})

test('a chain without blocks', async () => {
  const data = await readChain(rpc.url, 10_000)
  const status = { ...data.status, height: 0, emittedGrains: 0n, deferredGrains: 0n, burnedOverMintedPpm: 0n }
  const empty = { ...data, status, blocks: data.blocks.slice(0, 1) }
  const audit = auditLaunch(data.params, { subject: 'empty', overrides: [] }, empty)
  expect(audit.chain).toMatchObject({ miners: [], windows: [], firstBlockDelayMs: undefined, blockTimes: undefined })
  expect(auditHtml(audit, data.params) + auditText(audit)).not.toMatch(/NaN|undefined|Infinity/)
  expect(verdictsOf(empty)).toMatchObject({ supply: 'PASS', 'first-block': 'WARN', concentration: 'WARN' })
})

test('what does not fit the rules fails its finding', async () => {
  const data = await readChain(rpc.url, 10_000)
  const status = (change: Partial<ChainData['status']>): ChainData => ({
    ...data,
    status: { ...data.status, ...change },
  })
  const block = (height: number, change: Partial<ChainBlock>): ChainData => ({
    ...data,
    blocks: data.blocks.map((each) => (each.height === height ? { ...each, ...change } : each)),
  })
  expect(verdictsOf(status({ chainId: '00'.repeat(32) }))['chain-id']).toBe('FAIL')
  expect(verdictsOf(block(0, { id: '00'.repeat(32) }))['chain-id']).toBe('FAIL')
  expect(verdictsOf(status({ emittedGrains: data.status.emittedGrains + 1n })).supply).toBe('FAIL')
  expect(verdictsOf(status({ premineGrains: 1n })).supply).toBe('FAIL')
  expect(verdictsOf(status({ deferredGrains: 0n })).supply).toBe('FAIL')
  expect(auditChain(block(5, { bits: '0x1e000001' })).wrongBits).toContain(5)
  expect(verdictsOf(block(5, { bits: '0x1' })).difficulty).toBe('FAIL')
  expect(auditChain(block(7, { timeMs: data.blocks[1]!.timeMs })).wrongTimes).toContain(7)
  expect(verdictsOf(block(1, { timeMs: params.network.genesisTimeMs - 1 }))['first-block']).toBe('FAIL')
})

test('a block pays more from the pot than its lane may: its coinbase fails, at its height', async () => {
  const data = await readChain(rpc.url, 10_000)
  const change = (height: number, more: bigint, lane: ChainBlock['lane'] = 'bootstrap'): ChainData => ({
    ...data,
    blocks: data.blocks.map((each) =>
      each.height === height ? { ...each, lane, deferredChangeGrains: each.deferredChangeGrains + more } : each,
    ),
  })
  expect(auditChain(change(5, -1n)).wrongCoinbases[0]).toBe(5)
  expect(verdictsOf(change(5, -1n)).coinbases).toBe('FAIL')
  // A paid block may have a premium, but none that nothing burned for, and none beyond what is withheld.
  expect(auditChain(change(15, -7n, 'paid'))).toMatchObject({ premiumGrains: 7n, wrongCoinbases: [] })
  expect(verdictsOf(change(15, -7n, 'paid')).coinbases).toBe('FAIL')
  expect(auditChain(change(15, 1n, 'paid')).wrongCoinbases).toEqual([15])
  expect(auditChain(change(15, -(10n ** 16n), 'paid')).wrongCoinbases).toEqual([15])
})

test('what the chain publishes of itself is compared with its blocks', async () => {
  const data = await readChain(rpc.url, 10_000)
  const stated = (status: Partial<ChainData['status']>): ChainData => ({
    ...data,
    status: { ...data.status, ...status },
  })
  expect(auditChain(data).published).toMatchObject({ usefulSharePpm: 0n, computedUsefulSharePpm: 0n })
  expect(verdictsOf(stated({ usefulSharePpm: 1n })).published).toBe('FAIL')
  expect(verdictsOf(stated({ paidMacsPpm: 1n })).published).toBe('FAIL')
  expect(verdictsOf(stated({ settledMacs: 10n ** 30n })).published).toBe('FAIL')
  expect(verdictsOf(stated({ burnedGrains: data.status.emittedGrains })).published).toBe('FAIL')
  const part = await readChain(rpc.url, 12)
  expect(auditChain(part).published.computedUsefulSharePpm).toBeUndefined()
  expect(verdictsOf(part).published).toBe('PASS')
})

/** A node that was given the blocks of a chain in which a job was posted, assigned, and won by its miner. */
test('a chain with both lanes: rewards with the premium, useful share, burned over minted', async () => {
  const [client, other] = [keyPairFromSeed(new Uint8Array(32).fill(1)), keyPairFromSeed(new Uint8Array(32).fill(2))]
  // The mint cap is proportional to the target, which is the easiest here.
  const { chain, jobId } = assignedJob(client, other, ['emission.mintCapPpm=1000000', 'jobs.paidDrawPpm=1000000'])
  const job = readJob(chain.state, jobId)!
  const rank0 = [client, other].find(({ publicKey }) => publicKey.join() === job.ranks[0]!.join())!
  const { block } = minePaidBlock({ ...chain.base, keys: rank0, jobId })
  const { summary } = chain.add(block)
  const { params: paidParams } = chain.context
  const reader = new LocalNetwork({ seed: 'reader', params: paidParams, miners: 0 })
  const { node } = reader.add('reader', 'plain')
  await reader.start()
  for (const each of chain.blocks) await node.chain.offer(each)
  const server = await startRpc({ node, host: '127.0.0.1', port: 0, role: 'boot' })
  try {
    const data = await readChain(server.url, 10_000)
    const audit = auditChain(data)
    expect(audit).toMatchObject({ lanes: { bootstrap: 5, paid: 1, open: 0 }, wrongCoinbases: [] })
    const row = audit.miners.find(({ minerKey }) => minerKey === bytesToHex(rank0.publicKey))!
    const bootstrapOnly = rank0 === other ? 5 : 0
    expect(row.blocks).toBe(bootstrapOnly + 1)
    if (rank0 === client) expect(row.rewardGrains).toBe(summary.minerReward - summary.fees)
    expect(audit.premiumGrains).toBeGreaterThan(0n)
    expect(audit.published).toMatchObject({
      usefulSharePpm: audit.published.computedUsefulSharePpm,
      burnedGrains: readAmount(chain.state, 'burned'),
      burnedOverMintedPpm: audit.published.computedBurnedOverMintedPpm,
    })
    expect(audit.published.usefulSharePpm).toBeGreaterThan(100_000n)
    expect(verdictsOf(data)).toMatchObject({ supply: 'PASS', coinbases: 'PASS', published: 'PASS' })
    expect(auditText(auditLaunch(paidParams, { subject: 'both lanes', overrides: [] }, data))).toMatch(
      /paid lane +1 block[\s\S]*paid part of all MACs[\s\S]*useful share of the blocks’ work[\s\S]*burned over minted[\s\S]*premiums of paid blocks/,
    )
  } finally {
    await server.stop()
    await reader.stop()
  }
}, 60_000)

/** A chain of `miners` in turn, `intervalMs` apart, on the network `nacre` or a test network. */
function madeUp(blocks: number, miners: number, timeRatio: number, base = presets.nacre): ChainData {
  const launchMs = base.network.genesisTimeMs + base.network.launchDelayMs
  const list: ChainBlock[] = Array.from({ length: blocks + 1 }, (_, height) => ({
    height,
    id: height === 0 ? bytesToHex(genesisOf(base).id) : height.toString(16).padStart(64, '0'),
    parentId: '00'.repeat(32),
    timeMs: height === 0 ? base.network.genesisTimeMs : launchMs + height * base.block.timeMs * timeRatio,
    bits: `0x${base.difficulty.genesisBits.toString(16)}`,
    minerKey: (height % miners).toString(16).padStart(64, '0'),
    lane: 'bootstrap',
    deferredChangeGrains: 0n,
  }))
  let deferredGrains = 0n
  const changed = list.map((block) => {
    const parts = block.height === 0 ? undefined : bootstrapCoinbase(base, block.height, deferredGrains)
    const deferredChangeGrains = parts === undefined ? 0n : parts.deferred - parts.release
    deferredGrains += deferredChangeGrains
    return { ...block, deferredChangeGrains }
  })
  const status = {
    chainId: bytesToHex(chainIdOf(base)),
    height: blocks,
    tip: list.at(-1)!.id,
    premineGrains: 0n,
    faucetGrains: base.emission.faucetGrains,
    emittedGrains: cumulativeEmission(base, blocks),
    deferredGrains,
    burnedGrains: 0n,
    ...{ usefulSharePpm: 0n, settledMacs: 0n, paidMacsPpm: 0n },
    burnedOverMintedPpm: 0n,
  }
  return { rpc: 'http://made.up', params: base, difference: { preset: 'nacre', lines: [] }, status, blocks: changed }
}

test.each([
  [1, 'FAIL'],
  [3, 'WARN'],
  [7, 'PASS'],
])('%i equal miners: %s', (miners, verdict) => {
  expect(verdictsOf(madeUp(200, miners, 1)).concentration).toBe(verdict)
})

test.each([
  [1, 'PASS'],
  [0.7, 'WARN'],
  [0.1, 'FAIL'],
])('blocks at %f of the target time: %s', (ratio, verdict) => {
  expect(verdictsOf(madeUp(200, 7, ratio)).pace).toBe(verdict)
  if (ratio === 0.1) expect(verdictsOf(madeUp(200, 1, ratio, presets.devnet)).pace).toBe('WARN')
})

test('windows and coefficients of a chain whose first blocks are one key’s', () => {
  const data = madeUp(1500, 10, 1)
  const first = '0'.repeat(64)
  const blocks = data.blocks.map((block) => (block.height <= 100 ? { ...block, minerKey: first } : block))
  const { windows } = auditChain({ ...data, blocks })
  expect(windows.map(({ label }) => label)).toEqual(['first 10', 'first 100', 'first 1000', 'all'])
  expect(windows[0]).toMatchObject({ keys: 1, largestPercent: 100, nakamotoBlocks: 1, nakamotoReward: 1 })
  expect(windows[0]!.giniBlocks).toBeCloseTo(0.9, 12)
  expect(windows[3]).toMatchObject({ keys: 10, nakamotoBlocks: 5 })
  // 240 blocks of one key and 140 of each of nine.
  expect(windows[3]!.giniBlocks).toBeCloseTo((9 * (240 - 140)) / (10 * 1500), 12)
  // The ramp makes the first blocks worth less than the last ones.
  expect(windows[3]!.giniReward).toBeLessThan(0.01)
})

test.each(['asert', 'wtema'])('targets are checked along the whole chain under %s', (algorithm) => {
  const base = overrideParams(presets.nacre, [`difficulty.algorithm=${algorithm}`])
  const data = madeUp(40, 4, 0.6, base)
  const headers: { height: number; timeMs: number; bits: number }[] = []
  for (const { height, timeMs } of data.blocks)
    headers.push({ height, timeMs, bits: height === 0 ? base.difficulty.genesisBits : nextBits(base, headers) })
  const blocks = data.blocks.map((block, i) => ({ ...block, bits: `0x${headers[i]!.bits.toString(16)}` }))
  expect(new Set(blocks.map(({ bits }) => bits)).size).toBeGreaterThan(20)
  expect(auditChain({ ...data, blocks }).wrongBits).toEqual([])
  const late = blocks.map((block) => (block.height >= 20 ? { ...block, timeMs: block.timeMs + 10 ** 7 } : block))
  expect(auditChain({ ...data, blocks: late }).wrongBits[0]).toBe(21)
})

test('a node that cannot be reached, is none, or contradicts itself', async () => {
  const read = (url: string): Promise<ChainData> => readChain(url, 100)
  await expect(read('127.0.0.1:1')).rejects.toMatchObject({ exitCode: 2, message: /--rpc is an address such as/ })
  await expect(read('ftp://host')).rejects.toMatchObject({ exitCode: 2 })
  const closed = createServer()
  const gone = await listening(closed)
  await new Promise((resolve) => closed.close(resolve))
  await expect(read(gone)).rejects.toMatchObject({ code: 'NO_ANSWER', message: `cannot reach ${gone}: ECONNREFUSED` })
  const page = await listening(createServer((_request, response) => response.end('<html>')))
  await expect(read(page)).rejects.toThrow(/is not the RPC of a nacre node: GET \/params did not answer JSON/)
  const empty = await listening(createServer((_request, response) => response.end('{}')))
  await expect(read(empty)).rejects.toThrow(/is not the RPC of a nacre node: \/params has no proper lines/)
  const missing = await listening(createServer((_request, response) => response.writeHead(404).end()))
  await expect(read(missing)).rejects.toThrow(/is not the RPC of a nacre node: GET \/params answered 404/)
})

test.each<[string, (path: string, answer: Record<string, unknown>) => unknown, RegExp]>([
  [
    'a parameter line is missing',
    (path, answer) => (path === '/params' ? { lines: (answer.lines as string[]).slice(1) } : answer),
    /has parameters that are not complete in this version/,
  ],
  [
    'a parameter is unknown',
    (path, answer) => (path === '/params' ? { lines: [...(answer.lines as string[]), 'x.y=1'] } : answer),
    /has parameters that this version cannot read: .*there is no parameter x\.y/,
  ],
  [
    'a block has no miner',
    (path, answer) =>
      path.startsWith('/blocks')
        ? { blocks: (answer.blocks as object[]).map((block) => ({ ...block, minerKey: '<b>' })) }
        : answer,
    /a block has no proper minerKey/,
  ],
  [
    'blocks do not follow one another',
    (path, answer) =>
      path.startsWith('/blocks')
        ? { blocks: (answer.blocks as object[]).map((block) => ({ ...block, parentId: 'ab'.repeat(32) })) }
        : answer,
    /reorganises, or does not tell the truth/,
  ],
  [
    'no blocks come',
    (path, answer) => (path.startsWith('/blocks') ? { blocks: [] } : answer),
    /reorganises, or does not tell the truth/,
  ],
  [
    'the tip is another block',
    (path, answer) => (path === '/status' ? { ...answer, tip: 'ab'.repeat(32) } : answer),
    /reorganises, or does not tell the truth/,
  ],
])('an answer where %s is refused in one line', async (_what, change, message) => {
  const error = await readChain(await lyingRpc(change), 10_000).catch((caught: unknown) => caught)
  expect(error).toMatchObject({ name: expect.stringMatching(/^(Cli|Rpc)Error$/), message })
  expect((error as Error).message).not.toContain('\n')
})
