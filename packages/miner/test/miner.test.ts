/** The miner on a virtual clock: what it runs, how often, and what it signs. */
import { BLOCK_STATUS, NodeError, seededRandom, sleep } from '@nacre/node'
import {
  type Block,
  blockCodec,
  blockId,
  bytesToHex,
  equalBytes,
  headerCodec,
  keyPairFromSeed,
  overrideParams,
  presets,
  unitId,
} from '@nacre/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type LocalMember, LocalNetwork, UNIT_MS } from '../../cli/test/local-network.ts'

const keys = keyPairFromSeed(new Uint8Array(32).fill(5))
const LAST_SIGNED = 'miner/last-signed'
let network: LocalNetwork
let units: string[]

/** A miner that notes the ids of the units it runs. */
function addMiner(options: Parameters<LocalNetwork['add']>[2] = {}): LocalMember {
  return network.add(`miner-${network.members.length}`, 'miner', {
    keys,
    runner: (runner) => ({
      ...runner,
      runUnit: (job, signal) => {
        units.push(bytesToHex(job.unitId))
        return runner.runUnit(job, signal)
      },
    }),
    ...options,
  })
}

beforeEach(() => {
  units = []
})
afterEach(() => network.stop())

describe('units (B5)', () => {
  beforeEach(() => {
    network = new LocalNetwork({ seed: 'units', miners: 0, params: LocalNetwork.NEVER_WINS })
  })

  test('each has a counter of its own, and a restarted miner does not run the same again', async () => {
    const runs: string[][] = []
    for (const seed of ['first start', 'second start']) {
      units = []
      const member = addMiner({ random: seededRandom(seed) })
      await network.startMember(member)
      await network.clock.runUntil(() => units.length === 20)
      await network.stopMember(member)
      runs.push(units)
    }
    expect(new Set(runs.flat()).size).toBe(runs.flat().length)
  })

  test.each([
    [1, 40],
    [0.5, 20],
    [0.25, 10],
  ])('a duty cycle of %d leaves time to others', async (dutyCycle, expected) => {
    const member = addMiner({ dutyCycle })
    await network.startMember(member)
    await network.clock.runUntil(network.clock.nowMs() + 40 * UNIT_MS)
    expect(Math.abs(units.length - expected)).toBeLessThanOrEqual(1)
    expect(Math.abs(member.miner!.stats.units - expected)).toBeLessThanOrEqual(1)
  })

  test.each([1, 2, 3])('%d units in flight', async (unitsInFlight) => {
    let running = 0
    let most = 0
    const member = addMiner({
      unitsInFlight,
      runner: (runner) => ({
        ...runner,
        runUnit: async (job, signal) => {
          units.push(bytesToHex(job.unitId))
          most = Math.max(most, ++running)
          try {
            return await runner.runUnit(job, signal)
          } finally {
            running--
          }
        },
      }),
    })
    await network.startMember(member)
    await network.clock.runUntil(network.clock.nowMs() + 20 * UNIT_MS)
    expect(most).toBe(unitsInFlight)
    expect(Math.abs(units.length - 20 * unitsInFlight)).toBeLessThanOrEqual(unitsInFlight)
    expect(new Set(units).size).toBe(units.length)
  })

  test.each([0, 1.5, -1, Number.NaN])('%d units in flight are refused', (unitsInFlight) => {
    expect(() => addMiner({ unitsInFlight })).toThrow(/^CONFIG: /)
  })

  test.each([0, -1, 1.1, Number.NaN])('a duty cycle of %d is refused', (dutyCycle) => {
    expect(() => addMiner({ dutyCycle })).toThrow(/^CONFIG: /)
  })

  test('nothing runs before the launch', async () => {
    const { genesisTimeMs } = network.context.params.network
    expect(network.clock.nowMs()).toBeGreaterThan(genesisTimeMs)
    const params = { ...LocalNetwork.NEVER_WINS.network, launchDelayMs: 60_000 }
    network = new LocalNetwork({ seed: 'launch', miners: 0, params: { ...LocalNetwork.NEVER_WINS, network: params } })
    const member = addMiner()
    await network.startMember(member)
    await network.clock.runUntil(genesisTimeMs + 59_999)
    expect(units).toEqual([])
    await network.clock.runUntil(genesisTimeMs + 60_000 + 3 * UNIT_MS)
    expect(units.length).toBeGreaterThanOrEqual(2)
  })
})

describe('signatures (BLK-3, P5)', () => {
  beforeEach(() => {
    network = new LocalNetwork({ seed: 'signatures', miners: 0 })
  })

  /** The last signed block as the store has it. */
  function lastSigned(member: LocalMember): Block {
    return blockCodec.decode(member.store.note(LAST_SIGNED)!.subarray(32))
  }

  test('what is signed is written down before anybody else sees it', async () => {
    const member = addMiner()
    const seen: boolean[] = []
    const publish = member.node.publishBlock.bind(member.node)
    member.node.publishBlock = (block) => {
      seen.push(equalBytes(blockId(lastSigned(member).header), blockId(block.header)))
      return publish(block)
    }
    await network.startMember(member)
    await network.untilHeight(3)
    expect(seen.length).toBeGreaterThanOrEqual(3)
    expect(seen).not.toContain(false)
  })

  test('of several units that win on one parent at once, one becomes a block', async () => {
    // As easy as the rules allow: at first every unit wins.
    const { maxTargetBits } = presets.unit.difficulty
    const params = overrideParams(presets.unit, [`difficulty.genesisBits=${maxTargetBits}`])
    network = new LocalNetwork({ seed: 'all win', miners: 0, params })
    const member = addMiner({ unitsInFlight: 4 })
    const signed: string[] = []
    const publish = member.node.publishBlock.bind(member.node)
    member.node.publishBlock = async (block) => {
      signed.push(bytesToHex(block.header.parentId))
      // Validation takes its time: other units end before the block is the tip.
      await sleep(network.clock, 2 * UNIT_MS, new AbortController().signal)
      return publish(block)
    }
    await network.startMember(member)
    await network.untilHeight(8)
    expect(signed.length).toBeGreaterThanOrEqual(8)
    expect(new Set(signed).size).toBe(signed.length)
  })

  test('a block that was signed but not published when the process died is published after the restart', async () => {
    const dying = addMiner()
    let isSigned = false
    dying.node.publishBlock = () => {
      isSigned = true
      return new Promise(() => undefined)
    }
    await network.startMember(dying)
    await network.clock.runUntil(() => isSigned)
    expect(dying.node.chain.tip.header.height).toBe(0)
    // The process is gone: its loop never returns, and nobody closes the store.
    const again = addMiner({ store: dying.store })
    await network.startMember(again)
    await network.clock.runUntil(() => again.node.chain.tip.header.height > 0)
    expect(again.node.chain.atHeight(1)!.hex).toBe(bytesToHex(blockId(lastSigned(dying).header)))
    network.members.splice(0, 1)
  })

  test('the same unit, won again, gives the same signed header, however much later', async () => {
    const offered: Block[] = []
    // The same counters again, which a random start makes next to impossible.
    const random = { ...seededRandom('counter'), below: () => 77 }
    const start = (): LocalMember => {
      const member = addMiner({ random })
      member.node.publishBlock = async (block) => {
        offered.push(block)
        throw new NodeError('STOPPED', 'not now')
      }
      return member
    }
    const first = start()
    await network.startMember(first)
    await network.clock.runUntil(() => offered.length === 1)
    const note = first.store.note(LAST_SIGNED)!
    await network.stopMember(first)

    await network.clock.runUntil(network.clock.nowMs() + 100_000)
    const second = start()
    second.store.setNote(LAST_SIGNED, note)
    await network.startMember(second)
    await network.clock.runUntil(() => offered.length === 3)
    const unitIds = offered.map(({ header }) => bytesToHex(unitId(header.unit, header.minerKey)))
    expect(new Set(unitIds).size).toBe(1)
    expect(new Set(offered.map((block) => bytesToHex(blockCodec.encode(block)))).size).toBe(1)
    expect(units.filter((id) => id === unitIds[0])).toHaveLength(2)
  })
})

describe('a won block', () => {
  beforeEach(() => {
    network = new LocalNetwork({ seed: 'won', miners: 0 })
  })

  test('is offered again while the node is busy', async () => {
    const member = addMiner()
    const { node } = member
    const offered: string[] = []
    const publish = node.publishBlock.bind(node)
    node.publishBlock = async (block) => {
      offered.push(bytesToHex(blockId(block.header)))
      if (offered.length < 4) throw new NodeError('BUSY', 'not now')
      return publish(block)
    }
    await network.startMember(member)
    await network.untilHeight(1)
    expect(offered.slice(0, 4)).toEqual(Array(4).fill(node.chain.atHeight(1)!.hex))
    await network.clock.runUntil(() => member.miner!.stats.blocks === 1)
  })

  test('that the node kept but was too busy to validate becomes the tip all the same', async () => {
    const member = addMiner()
    const { chain } = member.node
    const run = chain.settle.bind(chain)
    let refused: string | undefined
    chain.settle = async (id, block) => {
      if (refused !== undefined) return run(id, block)
      refused = bytesToHex(id)
      // As a full queue does: the block is in the tree and in the store by then.
      const headerBytes = headerCodec.encode(block.header)
      member.store.putBlock({ id, height: block.header.height, headerBytes, bytes: blockCodec.encode(block) })
      chain.tree.add(id, block.header, BLOCK_STATUS.candidate)
      throw new NodeError('BUSY', 'the queue is full')
    }
    await network.startMember(member)
    await network.untilHeight(1)
    expect(chain.atHeight(1)!.hex).toBe(refused)
    await network.clock.runUntil(() => member.miner!.stats.blocks === 1)
  })

  test('costs no selection after the win: that was done while the unit ran', async () => {
    const selections: boolean[] = []
    let isRunning = false
    const member = network.add('selecting', 'miner', {
      keys,
      runner: (runner) => ({
        ...runner,
        runUnit: async (job, signal) => {
          isRunning = true
          try {
            return await runner.runUnit(job, signal)
          } finally {
            isRunning = false
          }
        },
      }),
    })
    const { mempool } = member.node
    const candidates = mempool.candidates.bind(mempool)
    mempool.candidates = (...args) => {
      selections.push(isRunning)
      return candidates(...args)
    }
    await network.startMember(member)
    await network.untilHeight(2)
    expect(selections.length).toBeGreaterThan(0)
    expect(selections).not.toContain(false)
  })
})
