/**
 * The devnet as users run it: separate processes, real libp2p on loopback. The tiny model of the preset `unit` keeps it short.
 * A miner is killed without warning while the others go on; it must come back, catch up and mine again (P10, NET-4).
 */
import { bytesToHex } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { type DevnetMember, runDevnet } from '../src/devnet/devnet.ts'

test('a killed miner resynchronises and mines again; all nodes agree at the end', { timeout: 120_000 }, async () => {
  const lines: string[] = []
  let members: () => readonly DevnetMember[] = () => []
  let killed: number | undefined
  const summary = await runDevnet({
    preset: 'unit',
    overrides: [],
    miners: 2,
    verifiers: 1,
    dutyCycle: 0.3,
    untilHeight: 12,
    stallMs: 60_000,
    dir: undefined,
    signal: new AbortController().signal,
    onRunning: (view) => {
      members = view
    },
    print: (line) => {
      lines.push(line)
      // The first rows can be missing on a busy machine: the nodes make blocks before their events are listened to.
      if (killed === undefined && Number(/^#(\d+) /.exec(line)?.[1] ?? 0) >= 3) {
        killed = members().find(({ name }) => name === 'miner-1')!.pid!
        process.kill(killed, 'SIGKILL')
      }
    },
  })
  const miner = members().find(({ name }) => name === 'miner-1')!
  expect(killed).toBeDefined()
  expect(lines.join('\n')).toMatch(/miner-1 ended \(signal SIGKILL\); starting it again/)
  expect(miner.restarts).toBe(1)
  expect(miner.pid).not.toBe(killed)
  // Its counters start at 0 in the new process: these units were run after the restart, on a synchronised chain.
  expect(miner.status!.miner!.units).toBeGreaterThan(0)
  expect(miner.status!.height).toBeGreaterThanOrEqual(12)
  expect(summary!.height).toBe(12)
  expect(Object.keys(summary!.stateRoots).sort()).toEqual(['boot', 'miner-1', 'miner-2', 'verifier-1'])
  expect(new Set(Object.values(summary!.stateRoots)).size).toBe(1)
  expect(summary!.stateRoots.boot).not.toBe(bytesToHex(new Uint8Array(32)))
  const blocks = Object.values(summary!.blocks).reduce((sum, { bootstrap, paid }) => sum + bootstrap + paid, 0)
  expect(blocks).toBe(12)
  expect(lines.join('\n')).toMatch(/sampled steps of #\d+.* right, in at most \d+ ms each/)
})
