/** The tools of `npm run demo:usefulness`: draws over given rows are the protocol's, machines are equally fast, figures add up. */
import { commitTraceFast } from '@nacre/engine'
import { VirtualClock } from '@nacre/node'
import { bootstrapTask, FOLD_WORDS, presets, taggedHash, ticketKey, u32le } from '@nacre/protocol'
import { describe, expect, test } from 'vitest'
import type { Figures } from '../scripts/usefulness/figures.ts'
import { openLab } from '../scripts/usefulness/lab.ts'
import { Machine, PURPOSES, type Purpose } from '../scripts/usefulness/machine.ts'
import { MINERS } from '../scripts/usefulness/miners.ts'
import { FirstLayer, keptRowsDraw, placeRows } from '../scripts/usefulness/nacre-cheats.ts'
import { plot } from '../scripts/usefulness/plot.ts'
import { poolOf } from '../scripts/usefulness/pooled.ts'
import { printed } from '../scripts/usefulness/report.ts'

const lab = await openLab(presets.devnet)
const { params, bootstrap } = lab.context
const name32 = (i: number): Uint8Array => taggedHash('unitId', u32le(i))
const task = bootstrapTask(params, name32(1), bootstrap.corpus)
const draw = { unitId: name32(2), minerKey: name32(3), bindings: params.bindings }

describe('draws over rows that are there', () => {
  const input = { task, modelParams: bootstrap.params, parentBeacon: name32(4), ...draw }
  const unit = lab.engine.runUnit(input)

  test('are the unit’s own where the rows are its own', () => {
    const drawer = lab.drawer('all')
    placeRows(drawer, unit.trace)
    expect(drawer.setParent(name32(4))).toBe(true)
    expect(drawer.setParent(name32(4))).toBe(false)
    expect(drawer.tickets).toBe(unit.tickets)
    expect(keptRowsDraw(drawer, draw, unit.traceRoot)).toEqual(unit.best)
    drawer.setParent(name32(5))
    expect(keptRowsDraw(drawer, draw, unit.traceRoot)).not.toEqual(unit.best)
  })

  test('of the first product are the unit’s first, from its prompt alone', () => {
    const whole = lab.drawer('all')
    placeRows(whole, unit.trace)
    whole.setParent(name32(4))
    const all = whole.multiply(draw)
    const early = new FirstLayer(lab)
    early.drawer.setParent(name32(4))
    const bindings = { ...params.bindings, completionBeforeDraw: 'off' } as const
    const { ticket, roots } = early.draw({ ...draw, bindings }, task)
    expect(early.drawer.multiply(draw)).toEqual(all.slice(0, FOLD_WORDS * early.drawer.tickets))
    expect(ticket).toEqual(early.drawer.best(ticketKey({ ...draw, bindings, traceRoot: name32(9) })))
    expect(roots).toBeUndefined()
    // Where the key is the root of a trace it can only be another root than the unit's.
    const bound = early.draw(draw, task)
    expect(bound.roots!.traceRoot).not.toEqual(commitTraceFast(unit.trace, lab.hash).traceRoot)
    expect(bound.ticket.hash).not.toEqual(ticket.hash)
  })
})

test('machines are equally fast: work takes its processor time, results come when they are there, and rests are kept to', async () => {
  const clock = new VirtualClock(0)
  const machine = new Machine(clock, { stretch: 10, duty: 0.5 })
  const { signal } = new AbortController()
  const done: [what: string, atMs: number][] = []
  const work = async (what: string, isUrgent: boolean, afterMs = 0): Promise<void> => {
    const after = { ms: afterMs, purpose: 'own prompts' } as const
    const charge = { beforeMs: 3, purpose: 'clients', after } as const
    await machine.work(
      async () => what,
      () => charge,
      () => isUrgent,
      signal,
    )
    done.push([what, clock.nowMs()])
  }
  const all = (async () => {
    await work('plain', false)
    await work('urgent', true)
    await work('longer', false, 7)
  })()
  await clock.runUntil(1000)
  await all
  expect(done).toEqual([
    ['plain', 60],
    ['urgent', 90],
    ['longer', 320],
  ])
  expect([machine.spentMs.clients, machine.spentMs['own prompts']]).toEqual([9, 7])
})

describe('figures', () => {
  const spent = Object.fromEntries(PURPOSES.map((purpose) => [purpose, 25])) as Record<Purpose, number>
  const run = (seed: string, blocks: number): Figures => ({
    ...{ name: 'nacre', seed, off: [], genesisBits: 1, chainId: '', tip: '', fromHeight: 10, toHeight: 19, height: 29 },
    miners: MINERS.map((name, i) => ({
      ...{ name, key: '', blocks: i < 2 ? blocks : 0, paidBlocks: 0, premiumGrains: '0' },
      ...{ maturedGrains: i < 2 ? '300' : '0', immatureGrains: i < 2 ? '100' : '0', forfeitedGrains: '0' },
      ...{ clientFeesGrains: '5', ownFeesGrains: '0', share: i < 2 ? 0.5 : 0, drawnShare: 0.25, drawnMacs: 1e9 },
      ...{
        spentMs: spent,
        tokens: 3,
        sent: i,
        refusals: i === 2 ? { BLOCK_REPLAY_TRACE: 2 } : ({} as Record<string, number>),
      },
    })),
    clients: { posted: 4, settled: 4, tokens: 20, chargedGrains: '40' },
    ownJobs: { posted: 2, settled: 2, chargedGrains: '20', recoveredGrains: '0', transactionFeesGrains: '2' },
    ...{ emittedGrains: '800', chainUsefulShare: 0, usefulBlocks: 0, inferenceBlocks: 1 },
    ...{ usefulTime: 0.2, inferenceTime: 0.4 },
  })

  test('of several seeds are those of all their blocks', () => {
    const pool = poolOf('', [run('a', 10), run('b', 30)])
    expect(pool.blocks).toBe(80)
    expect(pool.miners.map(({ blocks }) => blocks)).toEqual([40, 40, 0, 0])
    expect(pool.miners[0]!.share).toBe(0.5)
    expect(pool.miners[0]!.lowShare).toBeGreaterThan(poolOf('', [run('a', 10)]).miners[0]!.lowShare)
    expect(pool.feePerToken).toBeCloseTo(80 / 1e8 / 40, 15)
    // Half of the blocks are those in which jobs were posted.
    expect(pool.mintedPerToken).toBeCloseTo(1600 / 1e8 / 2 / 40, 15)
  })

  test('are printed and drawn', () => {
    expect(printed(run('a', 10))).toContain('BLOCK_REPLAY_TRACE')
    const svg = plot([run('a', 10)])
    expect(svg).toContain('>50 %</text>')
    expect(svg + printed(run('a', 10))).not.toMatch(/undefined|NaN|Infinity/)
  })
})
