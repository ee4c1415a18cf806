/** The work monitor over chains whose miners have known speeds: what it finds, how soon, and how seldom it is wrong. */
import { describe, expect, test } from 'vitest'
import {
  type Alarm,
  type AlarmCode,
  type BlockSample,
  MONITOR_DEFAULTS,
  type MonitorOptions,
  ringBlocks,
  WorkMonitor,
} from '../src/monitor/index.ts'
import { BLOCK_TIME_MS, equalKeys, type Phase, UNIT_MACS, workChain } from './support/work-chain.ts'

const HONEST_BLOCKS = 600
const honest: Phase = { blocks: HONEST_BLOCKS, speeds: equalKeys(10, 1) }
const SEEDS = Array.from({ length: 12 }, (_, i) => `seed ${i}`)

const monitorOf = (samples: readonly BlockSample[], options: Partial<MonitorOptions> = {}): WorkMonitor => {
  const monitor = new WorkMonitor({ blockTimeMs: BLOCK_TIME_MS, ...options })
  for (const sample of samples) monitor.push(sample)
  return monitor
}

/** The first alarm of each code, with the height at which it started. */
function firstAlarms(samples: readonly BlockSample[], options: Partial<MonitorOptions> = {}): Map<AlarmCode, Alarm> {
  const monitor = new WorkMonitor({ blockTimeMs: BLOCK_TIME_MS, ...options })
  const first = new Map<AlarmCode, Alarm>()
  for (const sample of samples) {
    monitor.push(sample)
    for (const alarm of monitor.alarms()) if (!first.has(alarm.code)) first.set(alarm.code, alarm)
  }
  return first
}

const codesOf = (phases: readonly Phase[]): AlarmCode[] =>
  SEEDS.flatMap((seed) => [...firstAlarms(workChain(seed, phases)).keys()])

/** Blocks after the honest ones until an alarm of this code, over the seeds, sorted; every seed must raise one. */
function delays(code: AlarmCode, phases: readonly Phase[]): number[] {
  return SEEDS.map((seed) => {
    const alarm = firstAlarms(workChain(seed, phases)).get(code)
    expect(alarm, `${code} with ${seed}`).toBeDefined()
    return alarm!.sinceHeight - HONEST_BLOCKS
  }).sort((a, b) => a - b)
}

describe('honest chains', () => {
  test('constant speeds raise no alarm: 12 seeds, 24,000 blocks', () => {
    expect(codesOf([{ ...honest, blocks: 2000, declared: equalKeys(10, 1) }])).toEqual([])
  })

  test('twice the hardware, declared as it comes, raises no alarm', () => {
    const before: Phase = { ...honest, declared: equalKeys(10, 1) }
    expect(codesOf([before, { blocks: 700, speeds: equalKeys(10, 2), declared: equalKeys(10, 2) }])).toEqual([])
  })

  test('nor does it where asks always stood for half of it', () => {
    const before: Phase = { ...honest, declared: equalKeys(10, 0.5) }
    expect(codesOf([before, { blocks: 700, speeds: equalKeys(10, 2), declared: equalKeys(10, 1) }])).toEqual([])
  })

  test('twice the work by newcomers is their own, then and after they have become known', () => {
    expect(codesOf([honest, { blocks: 1400, speeds: { ...equalKeys(10, 1), ...equalKeys(10, 1, 'new') } }])).toEqual([])
  })

  test('one in ten miners that writes times as far ahead as allowed raises no alarm', () => {
    const writtenTimeMs = (trueMs: number, _height: number, uniform: number): number =>
      uniform < 0.1 ? trueMs + 5 * BLOCK_TIME_MS : trueMs
    expect(codesOf([{ ...honest, blocks: 1000, writtenTimeMs }])).toEqual([])
  })

  test.each([100, 1000])(
    'at the edge of what is allowed, alarms are rarer than one in %i blocks',
    (blocksPerFalseAlarm) => {
      const started = new Map<AlarmCode, number>()
      let blocks = 0
      for (const seed of SEEDS) {
        const windows = { baselineBlocks: 128, changeBlocks: 128 }
        const monitor = monitorOf([], { blocksPerFalseAlarm, ...windows, jumpTimes: 1, growthTimes: 1, keyTimes: 1 })
        let standing = new Set<AlarmCode>()
        for (const sample of workChain(seed, [{ ...honest, blocks: 3000, declared: equalKeys(10, 1) }])) {
          monitor.push(sample)
          const now = new Set(monitor.alarms().map(({ code }) => code))
          for (const code of now) if (!standing.has(code)) started.set(code, (started.get(code) ?? 0) + 1)
          standing = now
          blocks++
        }
      }
      for (const code of ['WORK_JUMP', 'WORK_OUTGROWS_CAPACITY', 'KEY_OUTWORKS_DECLARED'] as const) {
        expect(started.get(code), code).toBeGreaterThan(0)
        expect(started.get(code), code).toBeLessThan(blocks / blocksPerFalseAlarm)
      }
    },
  )
})

describe('a private kernel', () => {
  const kernel = (times: number): Phase => ({ blocks: 450, speeds: equalKeys(10, times) })

  test('that makes all known keys five times as fast is found within 60 blocks, half of the time within 35', () => {
    const blocks = delays('WORK_OUTGROWS_CAPACITY', [honest, { ...kernel(5), blocks: 120 }])
    expect(blocks.at(-1)).toBeLessThanOrEqual(60)
    expect(blocks[SEEDS.length / 2]).toBeLessThanOrEqual(35)
    // Not before it could be: each block of the fast time adds at most ln 8 to a likelihood that must reach ln 10^6.
    expect(blocks[0]).toBeGreaterThan(5)
  })

  test('of one miner in five, ten times as fast, is found within 150 blocks', () => {
    const one: Phase = { blocks: 200, speeds: { ...equalKeys(5, 1), k0: 10 } }
    expect(delays('WORK_OUTGROWS_CAPACITY', [{ ...honest, speeds: equalKeys(5, 1) }, one]).at(-1)).toBeLessThan(150)
  })

  test('is not covered by declaring twice the capacity', () => {
    const before: Phase = { ...honest, declared: equalKeys(10, 1) }
    expect(
      delays('WORK_OUTGROWS_CAPACITY', [before, { ...kernel(5), blocks: 250, declared: equalKeys(10, 2) }]).at(-1),
    ).toBeLessThan(200)
  })

  test('behind a new key for each block is a jump', () => {
    const hidden: Phase = { ...kernel(5), blocks: 150, isFreshKeyPerBlock: true }
    expect(delays('WORK_JUMP', [honest, hidden]).at(-1)).toBeLessThan(100)
    for (const seed of SEEDS)
      expect(firstAlarms(workChain(seed, [honest, hidden])).has('WORK_OUTGROWS_CAPACITY')).toBe(false)
  })

  test('is shown with evidence: where, from what to what, by whom, against which capacity', () => {
    const declared = equalKeys(10, 1)
    const samples = workChain('evidence', [
      { ...honest, declared },
      { ...kernel(5), blocks: 80, declared },
    ])
    const alarm = monitorOf(samples)
      .alarms()
      .find(({ code }) => code === 'WORK_OUTGROWS_CAPACITY')
    if (alarm?.code !== 'WORK_OUTGROWS_CAPACITY') throw new Error('no alarm')
    const { evidence } = alarm
    const unitRate = (UNIT_MACS * 1000) / BLOCK_TIME_MS
    expect(Math.abs(evidence.splitHeight - HONEST_BLOCKS - 1)).toBeLessThanOrEqual(5)
    expect(evidence.splitId).toBe(`id${evidence.splitHeight}`)
    expect(evidence.before.lowMacsPerSecond).toBeLessThan(10 * unitRate)
    expect(evidence.before.highMacsPerSecond).toBeGreaterThan(10 * unitRate)
    expect(evidence.after.lowMacsPerSecond).toBeLessThan(50 * unitRate)
    expect(evidence.after.highMacsPerSecond).toBeGreaterThan(50 * unitRate)
    expect(evidence.before.toHeight).toBe(evidence.splitHeight - 1)
    expect(evidence.after).toMatchObject({ fromHeight: evidence.splitHeight, toHeight: samples.length - 5 })
    expect(evidence.knownKeys).toBe(10)
    expect(evidence.knownKeyBlocks).toBe(evidence.after.blocks)
    expect(evidence.growthTimes).toBeCloseTo(evidence.after.macsPerSecond / evidence.before.macsPerSecond, 12)
    expect(evidence).toMatchObject({ roomAfterMacs: 10 * UNIT_MACS, logThreshold: Math.log(1e6) })
    expect(evidence.allowedTimes).toBeCloseTo(1.25, 9)
    expect(evidence.roomBeforeMacs).toBeCloseTo(10 * UNIT_MACS, 0)
    expect(evidence.logLikelihood).toBeGreaterThan(Math.log(1e6))
    expect(alarm.message).toContain(`at about height ${evidence.splitHeight} `)
  })

  test('that stays is what later changes are compared with: the alarm ends', () => {
    const samples = workChain('stays', [honest, { ...kernel(5), blocks: 900 }])
    const { changeBlocks, holdBlocks } = MONITOR_DEFAULTS
    const at = (blocks: number): AlarmCode[] =>
      monitorOf(samples.slice(0, HONEST_BLOCKS + blocks))
        .alarms()
        .map(({ code }) => code)
    expect(at(300)).toContain('WORK_OUTGROWS_CAPACITY')
    expect(at(changeBlocks + holdBlocks + 100)).toEqual([])
  })
})

describe('a key that does more than it declares', () => {
  const declared = equalKeys(10, 1)

  test('is named within 250 blocks at five times of it, and nobody else is', () => {
    const phases: Phase[] = [honest, { blocks: 300, speeds: { ...equalKeys(10, 1), k3: 5 }, declared }]
    for (const seed of SEEDS) {
      const alarm = firstAlarms(workChain(seed, phases)).get('KEY_OUTWORKS_DECLARED')
      if (alarm?.code !== 'KEY_OUTWORKS_DECLARED') throw new Error(`no alarm with ${seed}`)
      expect(alarm.evidence.minerKey).toBe('k3')
      expect(alarm.sinceHeight - HONEST_BLOCKS).toBeLessThan(250)
      expect(alarm.evidence.declaredMacsPerBlock).toBe(UNIT_MACS)
      expect(alarm.evidence.wins).toBeGreaterThan(2 * alarm.evidence.expectedWins)
      // It declares from height 601 on: nothing before that is held against it.
      expect(alarm.evidence.fromHeight).toBeGreaterThan(HONEST_BLOCKS)
    }
  })

  test('is not found at twice of it, nor where it declares nothing', () => {
    const twice: Phase = { blocks: 600, speeds: { ...equalKeys(10, 1), k3: 2 }, declared }
    const silent: Phase = { blocks: 600, speeds: { ...equalKeys(10, 1), k3: 4 }, declared: { ...declared, k3: 0 } }
    for (const phase of [twice, silent])
      for (const seed of SEEDS) expect(firstAlarms(workChain(seed, [phase])).has('KEY_OUTWORKS_DECLARED')).toBe(false)
  })
})

describe('reward and cost', () => {
  const chain = (rewardGrainsPerGmac: number, costGrainsPerGmac: number, blocks = 64): BlockSample[] =>
    workChain('reward', [{ blocks, speeds: equalKeys(10, 1), rewardGrainsPerGmac, costGrainsPerGmac }])

  test.each([
    ['four times the price', 40.001, 10, ['REWARD_ABOVE_COST']],
    ['a quarter of the price', 10, 40.001, ['REWARD_BELOW_COST']],
    ['a little under four times', 39.9, 10, []],
    ['no price', 1e9, 0, []],
  ])('%s in 64 blocks', (_name, reward, cost, codes) => {
    expect(
      monitorOf(chain(reward, cost))
        .alarms()
        .map(({ code }) => code),
    ).toEqual(codes)
  })

  test('63 blocks are too few, and one block at par breaks the row', () => {
    expect(monitorOf(chain(40, 10, 63)).alarms()).toEqual([])
    const samples = chain(40, 10)
    samples[20] = { ...samples[20]!, costGrainsPerGmac: 40 }
    expect(monitorOf(samples).alarms()).toEqual([])
  })

  test('says over which blocks, and both prices', () => {
    const [alarm] = monitorOf(chain(50, 10)).alarms()
    expect(alarm).toMatchObject({
      sinceHeight: 64,
      evidence: { fromHeight: 1, toHeight: 64, costGrainsPerGmac: 10, factor: 4 },
    })
    expect((alarm as { evidence: { leastRatio: number } }).evidence.leastRatio).toBeCloseTo(5, 9)
  })
})

describe('reorganisations and restarts', () => {
  const trunk = workChain('trunk', [honest, { blocks: 60, speeds: equalKeys(10, 5) }])

  test('blocks taken out leave no trace', () => {
    const monitor = monitorOf(trunk)
    const { length } = trunk
    const branch = workChain('branch', [{ ...honest, blocks: length + 20 }])
      .slice(length - 40)
      .map((sample) => ({ ...sample, id: `b${sample.height}` }))
    for (let i = 0; i < 40; i++) expect(monitor.pop()?.id).toBe(`id${length - i}`)
    for (const sample of branch) monitor.push(sample)
    expect(monitor.report()).toEqual(monitorOf([...trunk.slice(0, length - 40), ...branch]).report())
    expect(monitor.report().height).toBe(length + 20)
  })

  test('the newest blocks are enough: a restarted node reports what it did before', () => {
    const options = { baselineBlocks: 128, changeBlocks: 128, historyBlocks: 256 }
    const samples = workChain('long', [
      { ...honest, blocks: 900 },
      { blocks: 100, speeds: equalKeys(10, 5) },
    ])
    const before = monitorOf(samples, options)
    const after = monitorOf(samples.slice(-ringBlocks(before.options)), options)
    expect(before.report().alarms.length).toBeGreaterThan(0)
    expect(after.report()).toEqual(before.report())
  })

  test('down to nothing and up again', () => {
    const monitor = monitorOf(trunk.slice(0, 20))
    while (monitor.tip !== undefined) monitor.pop()
    expect(monitor.pop()).toBeUndefined()
    expect(monitor.report()).toMatchObject({ height: 0, datedHeight: 0, rates: [], alarms: [] })
    for (const sample of trunk) monitor.push(sample)
    expect(monitor.report()).toEqual(monitorOf(trunk).report())
  })

  test('a block that does not follow is refused', () => {
    const monitor = monitorOf(trunk.slice(0, 3))
    expect(() => monitor.push(trunk[4]!)).toThrow('block 5 does not follow block 3')
    expect(() => monitor.push({ ...trunk[3]!, workMacs: 0 })).toThrow(RangeError)
    expect(monitor.tip?.height).toBe(3)
  })
})

test('the report: rates over three windows, growth, shares, lanes, capacity', () => {
  const declared = equalKeys(10, 1)
  const samples = workChain('report', [{ ...honest, declared, costGrainsPerGmac: 2 }]).map((sample) => ({
    ...sample,
    isPaid: sample.height % 4 === 0,
  }))
  const report = monitorOf(samples).report()
  expect(report).toMatchObject({ height: 600, datedHeight: 595, blockTimeMs: BLOCK_TIME_MS })
  expect(report.rates.map(({ fromHeight, toHeight, blocks }) => [fromHeight, toHeight, blocks])).toEqual([
    [564, 595, 32],
    [468, 595, 128],
    [84, 595, 512],
  ])
  expect(report.growth!.lowTimes).toBeLessThan(1)
  expect(report.growth!.highTimes).toBeGreaterThan(1)
  expect(report.capacity).toEqual(samples.at(-1)!.capacity)
  expect(report.workMacsPerBlock! / (10 * UNIT_MACS)).toBeCloseTo(1, 0)
  expect(report.lanes).toMatchObject({ blocks: 512, paidBlocks: 128 })
  expect(report.lanes.paidWorkShare).toBeCloseTo(0.25, 2)
  expect(report.reward).toMatchObject({ blocks: 32, costGrainsPerGmac: 2 })
  expect(report.reward!.ratio).toBeCloseTo(0.5, 9)
  expect(report.concentration).toMatchObject({ blocks: 512, keys: 10 })
  expect(report.concentration.effectiveKeys).toBeGreaterThan(8)
  expect(report.concentration.largest).toHaveLength(10)
  expect(report.concentration.largest.reduce((sum, { blocks }) => sum + blocks, 0)).toBe(512)
  expect(
    report.concentration.largest.every(({ lowShare, share, highShare }) => lowShare < share && share < highShare),
  ).toBe(true)
})
