/** `nacre monitor` at a terminal: pages, JSON, watching, wrong usage, nodes that do not answer or lie. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { WorkMonitor, type WorkReport } from '@nacre/node/monitor'
import { afterEach, expect, test } from 'vitest'
import { BLOCK_TIME_MS, equalKeys, workChain } from '../../node/test/support/work-chain.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', 'packages/cli/src/nacre.ts']
const spawned = (...args: string[]) => spawn(process.execPath, [...nodeArgs, 'monitor', ...args], { cwd: root })

/** A chain of ten keys that all get a kernel five times as fast; keys are 32 bytes of hex. */
function reportOf(fastBlocks: number): WorkReport {
  const monitor = new WorkMonitor({ blockTimeMs: BLOCK_TIME_MS })
  const chain = workChain('cli', [
    { blocks: 600, speeds: equalKeys(10, 1), declared: equalKeys(10, 1), costGrainsPerGmac: 2 },
    { blocks: 80, speeds: equalKeys(10, 5), declared: equalKeys(10, 1), costGrainsPerGmac: 2 },
  ])
  for (const sample of chain.slice(0, 600 + fastBlocks))
    monitor.push({ ...sample, minerKey: Buffer.from(sample.minerKey.padEnd(32)).toString('hex') })
  return monitor.report()
}

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serving(answer: () => unknown): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url !== '/work') response.statusCode = 404
    response.end(JSON.stringify(answer()))
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function monitor(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = spawned(...args)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  const [status] = (await once(child, 'close')) as [number]
  return { status, stdout, stderr }
}

test('a page of a quiet chain', async () => {
  const rpc = await serving(() => reportOf(0))
  const { status, stdout, stderr } = await monitor('--rpc', `${rpc}/`)
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(stdout).toMatch(new RegExp(`^Work on the chain of ${rpc} at height 600\nNo alarm\\.\n\nWork rate\n`))
  expect(stdout).toMatch(/^ {2}newest 512 blocks +[\d.,]+ [MG]MAC\/s {3}95 %: [\d.,]+ [MG]MAC to [\d.,]+ [MG]MAC$/m)
  expect(stdout).toMatch(/^ {2}the newest 32 against those before: [\d.]+ times \(95 %: [\d.]+ to [\d.]+\)$/m)
  expect(stdout).toMatch(/^ {2}declared in asks +10 GMAC in 10 asks of 10 keys$/m)
  expect(stdout).toMatch(/^ {2}clients pay +2 grains per GMAC for the same work: mining pays 0\.5 times that$/m)
  expect(stdout).toMatch(/^Winners of the newest 512 blocks: 10 keys, as uneven as [\d.]+ equal ones$/m)
  expect(
    stdout.match(/^ {2}6b[0-9a-f]{10} +\d+ blocks +[\d.]+ % \(95 %: .*\) +declares 1 GMAC per block$/gm),
  ).toHaveLength(10)
})

test('alarms come first, with how often they are false and their evidence in words', async () => {
  const rpc = await serving(() => reportOf(80))
  const { status, stdout } = await monitor('--rpc', rpc)
  expect(status).toBe(0)
  expect(stdout).toMatch(/^\d ALARMs? \(a chain of honest miners raises each .* less than once in 1,000,000 blocks\)$/m)
  expect(stdout).toMatch(
    /^ {2}WORK_OUTGROWS_CAPACITY since height 6\d\d, last seen at 680\n {4}work went from \S+ to \S+ MACs\/s at about height \d+ /m,
  )
})

test('--json is the answer of the node, all of it', async () => {
  const report = reportOf(80)
  const { status, stdout } = await monitor('--json', '--rpc', await serving(() => report))
  expect(status).toBe(0)
  expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(report)))
})

test('--watch shows each height once, outlives a node that is gone for a while, and ends on SIGINT with 0', async () => {
  let height = 0
  const rpc = await serving(() => reportOf(Math.min(3, height++ >> 1)))
  const child = spawned('--watch', '--json', '--rpc', rpc)
  const heights: number[] = []
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  for await (const chunk of child.stdout) {
    for (const line of String(chunk).split('\n').filter(Boolean)) heights.push(JSON.parse(line).height)
    if (heights.length === 2 && servers.length > 0) {
      for (const server of servers.splice(0)) {
        server.closeAllConnections()
        server.close()
      }
      while (stderr === '') await new Promise((resolve) => setTimeout(resolve, 50))
      child.kill('SIGINT')
    }
  }
  const [status] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode]
  expect(heights).toEqual([600, 601])
  expect(stderr).toMatch(/^nacre: cannot reach http:\/\/127\.0\.0\.1:\d+: ECONN[A-Z]+.*; asking again\n$/)
  expect(status).toBe(0)
})

test('a young chain without anything to show', async () => {
  const rpc = await serving(() => new WorkMonitor({ blockTimeMs: 5000 }).report())
  const { status, stdout } = await monitor('--rpc', rpc)
  expect(status).toBe(0)
  expect(stdout).toContain('not known yet: a time counts once five blocks have confirmed it')
  expect(stdout).toContain('No winners yet')
})

test.each([
  [
    'a rate that is text',
    (report: WorkReport) => ({ ...report, rates: [{ ...report.rates[0]!, macsPerSecond: '1' }] }),
    'rates has no proper macsPerSecond',
  ],
  [
    'an unknown alarm',
    (report: WorkReport) => ({ ...report, alarms: [{ ...report.alarms[0]!, code: 'ALL_FINE' }] }),
    'alarms has no proper code',
  ],
  ['no capacity', (report: WorkReport) => ({ ...report, capacity: null }), 'capacity is no object'],
  ['a list', () => [], 'capacity is no object'],
])('an answer with %s is not shown', async (_name, change, why) => {
  const rpc = await serving(() => change(reportOf(80)))
  const { status, stdout, stderr } = await monitor('--rpc', rpc)
  expect(stdout).toBe('')
  expect(stderr).toMatch(new RegExp(`^nacre: ${rpc} is not the RPC of a nacre node: [^\n]*${why}[^\n]*\n$`))
  expect(status).toBe(1)
})

test('a message of the node cannot move the cursor', async () => {
  const report = reportOf(80)
  const alarms = report.alarms.map((alarm) => ({ ...alarm, message: 'all\u001b[2Jclear' }))
  const { stdout } = await monitor('--rpc', await serving(() => ({ ...report, alarms })))
  expect(stdout).toContain('all·[2Jclear')
  expect(stdout).not.toContain('\u001b')
})

test.each([
  [['--rpc', 'nowhere'], 2, /^nacre: --rpc is an address such as [^\n]*\n$/],
  [
    ['--rpc', 'http://127.0.0.1:1'],
    1,
    /^nacre: cannot reach http:\/\/127\.0\.0\.1:1: [^\n]*\. Is a node running there\? --rpc URL names another\n$/,
  ],
  [['now'], 2, /there is no "monitor now"/],
  [['--bogus'], 2, /Unknown option '--bogus'/],
])('%j is refused with code %i', (args, code, message) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeArgs, 'monitor', ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 50_000,
  })
  expect(stderr).toMatch(message)
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(status).toBe(code)
  expect(stdout).toBe('')
})

test('--help names every alarm', async () => {
  const { status, stdout } = await monitor('--help')
  expect(status).toBe(0)
  for (const code of [
    'WORK_JUMP',
    'WORK_OUTGROWS_CAPACITY',
    'KEY_OUTWORKS_DECLARED',
    'REWARD_ABOVE_COST',
    'REWARD_BELOW_COST',
  ])
    expect(stdout).toContain(`  ${code} `)
})
