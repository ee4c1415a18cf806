/**
 * Provenance `open` on a whole network (chapter 12): miners of the open lane compete, every node validates, newcomers and restarted
 * nodes follow, and the paid economy goes on beside it.
 */
import { openPlan } from '@nacre/engine'
import { createSqliteStore } from '@nacre/node'
import {
  bitsFromTarget,
  bytesToHex,
  LANE_OPEN,
  overrideParams,
  type Params,
  pearl,
  plainProofOf,
  presets,
  readWork,
  usefulSharePpm,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import { type LocalMember, LocalNetwork } from './local-network.ts'

let network: LocalNetwork
afterEach(() => network.stop())

/** The rules of the preset `pearl` at the pace of `unit`, with a first target that so many products meet once on average. */
function openParams(macsPerBlock: number): Params {
  const { bindings, fees } = presets.pearl
  return overrideParams({ ...presets.unit, fees, bindings }, [
    'jobs.paidDrawPpm=0',
    'block.winnerCheck=none',
    'difficulty.algorithm=wtema-unclamped',
    `difficulty.genesisBits=${bitsFromTarget(2n ** 256n / BigInt(macsPerBlock))}`,
  ])
}

const tipOf = ({ node }: LocalMember): string => node.chain.tip.hex
const workOf = (members: readonly LocalMember[], height: number): (string | undefined)[] =>
  Array.from({ length: height }, (_, i) => {
    const key = bytesToHex(members[0]!.node.chain.atHeight(i + 1)!.header.minerKey)
    return members.find(({ keys }) => bytesToHex(keys.publicKey) === key)?.name
  })

test('random, structured and inference miners compete; all nodes agree, and one that joins late catches up', async () => {
  network = new LocalNetwork({ seed: 'open', miners: 0, verifiers: 1, params: openParams(600_000_000) })
  for (const work of ['random', 'structured', 'inference'] as const) network.add(work, 'miner', { work })
  const verdicts: unknown[] = []
  network.members[0]!.node.events.on('verdict', (verdict) => verdicts.push(verdict))
  await network.start()
  await network.untilHeight(8)
  const late = network.add('late', 'plain')
  await network.startMember(late)
  await network.untilHeight(12)
  await network.clock.runUntil(() => new Set(network.members.map(tipOf)).size === 1)

  const { chain } = late.node
  for (let height = 1; height <= 12; height++) {
    const block = chain.block(chain.atHeight(height)!)!
    expect(block.header.unit.lane).toBe(LANE_OPEN)
    expect(block.body.tokens).toEqual([])
    expect(pearl.decodePlainProof(plainProofOf(block.proof)).k).toBeGreaterThanOrEqual(pearl.MIN_K)
  }
  const miners = workOf(network.members, 12)
  expect(miners).toContain('random')
  expect(miners).toContain('structured')
  const { reader } = chain.tipState()
  expect(readWork(reader, LANE_OPEN)).toBeGreaterThan(0n)
  expect(usefulSharePpm(reader)).toBe(0n)
  // There is no trace of which a verifier could open steps.
  expect(verdicts).toEqual([])
})

test('inference alone makes blocks too: prompts are executed for each draw', async () => {
  network = new LocalNetwork({ seed: 'inference', miners: 0, params: openParams(2_000_000) })
  const member = network.add('inference', 'miner', { work: 'inference' })
  await network.start()
  await network.untilHeight(3)
  const { units, tokens, blocks } = member.miner!.stats
  expect(blocks).toBeGreaterThanOrEqual(3)
  const { bootstrapPromptTokens, bootstrapNewTokens } = presets.unit.units
  const { prompts } = openPlan('inference', network.context.bootstrap.model.config, bootstrapPromptTokens)
  expect(tokens).toBe(units * prompts * bootstrapNewTokens)
})

test('a restarted node goes on where it was, and its miner with it', async () => {
  network = new LocalNetwork({ seed: 'restart', miners: 0, params: openParams(200_000_000) })
  const store = createSqliteStore(':memory:')
  // The node closes its store when it stops; what matters is what is in it.
  const kept = Object.assign(Object.create(store), { close: () => undefined }) as typeof store
  const first = network.add('a', 'miner', { work: 'random', store: kept })
  await network.start()
  await network.untilHeight(3)
  const { hex, header } = first.node.chain.tip
  await network.stopMember(first)
  const again = network.add('b', 'miner', { work: 'random', store: kept, keys: first.keys })
  expect([again.node.chain.tip.hex, again.node.chain.tip.header.height]).toEqual([hex, header.height])
  await network.startMember(again)
  await network.untilHeight(header.height + 2)
  expect(again.node.chain.atHeight(header.height)!.hex).toBe(hex)
  store.close()
})
