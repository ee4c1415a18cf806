/** The verifier asks for openings of sampled steps and believes nobody (TRC-3, AUD-3). */

import type { UnitRunner } from '@nacre/miner'
import { decodeByteList, encodeOpeningsRequest, type NodeEvents, REQUEST, sleep } from '@nacre/node'
import { assignedTask, checkStep, type StepOpening, type StepRef, stepOpeningCodec } from '@nacre/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import { type LocalMember, LocalNetwork } from '../../cli/test/local-network.ts'

type Verdict = NodeEvents['verdict']
let network: LocalNetwork
afterEach(() => network.stop())

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

test('honest openings: every block gets a good verdict, of its miner', async () => {
  network = new LocalNetwork({ seed: 'honest', miners: 2, verifiers: 1 })
  const verifier = network.members[2]!
  const { verdicts, penalties } = watch(verifier)
  await network.start()
  await network.clock.runUntil(() => verdicts.length >= 8)
  expect(verdicts.every(({ ok, steps, reason }) => ok && steps === 4 && reason === undefined)).toBe(true)
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
    expect(verdicts[0]).toMatchObject({ ok: false, reason: expect.stringMatching(/^(STEP|TRACE|MERKLE)_/) })
    expect(penalties[0]).toMatch(penalty)
  })

  test('another peer that holds the trace is asked, and the block is cleared', async () => {
    network = new LocalNetwork({ seed: 'second opinion', miners: 0 })
    const liar = network.add('miner-0', 'miner', { runner: lying((openings) => openings.map(flipLeaf)) })
    network.add('miner-1', 'miner')
    const verifier = network.add('verifier-0', 'verifier')
    const { verdicts, penalties } = watch(verifier)
    await network.start()
    const ofLiar = (): Verdict[] =>
      verdicts.filter(({ blockId }) => {
        const key = verifier.node.chain.tree.get(blockId)!.header.minerKey
        return key.join() === liar.keys.publicKey.join()
      })
    await network.clock.runUntil(() => ofLiar().length >= 2)
    expect(ofLiar().every(({ ok }) => ok)).toBe(true)
    expect(penalties.length).toBeGreaterThanOrEqual(2)
    expect(new Set(penalties.map((penalty) => penalty.split(' ')[0]))).toEqual(new Set(['miner-0']))
  })

  test('one that does not answer is a bad verdict, but nobody is penalised for silence', async () => {
    network = new LocalNetwork({ seed: 'silence', miners: 0 })
    const silent = (runner: UnitRunner): UnitRunner => ({ ...runner, openSteps: () => new Promise(() => undefined) })
    network.add('miner-0', 'miner', { runner: silent })
    const { verdicts, penalties } = watch(network.add('verifier-0', 'verifier'))
    await network.start()
    await network.clock.runUntil(() => verdicts.length > 0)
    expect(verdicts[0]).toMatchObject({ ok: false, reason: expect.stringContaining('TIMEOUT') })
    expect(penalties).toEqual([])
  })
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
    replayTrace: async (task, tokens) => {
      replays++
      await sleep(network.clock, 50)
      return runner.replayTrace(task, tokens)
    },
  })
  const again = network.add('miner-0', 'miner', { store, keys, runner: counting })
  await again.node.start()
  const asker = network.hub.join('asker')
  network.hub.connect('asker', 'miner-0')
  const steps: StepRef[] = [
    { kind: 'shape', layer: 0, group: 0, position: 0 },
    { kind: 'ffn', layer: 1, group: 0, position: 9 },
  ]
  const send = (wanted: readonly StepRef[]): Promise<Uint8Array> => {
    const request = encodeOpeningsRequest({ blockId: first.id, steps: wanted })
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
  const many = Array.from({ length: 5 }, () => send(steps))
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
