import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CLI, NODE_FLAGS, resultsOf, sim, temporaryFolder } from './helpers.ts'

const SWEEP = [
  ...['sweep', 'difficulty', '--seeds', '10', '--vary', 'difficulty.algorithm=asert,wtema', '--threads', '2'],
  ...['--param', 'phaseHours=24', '--param', 'hopHours=24', '--vary', 'hopperFactor=1,2,4'],
]
const JOBS = 60

/** Starts the sweep and sends `signal` once it has finished three runs; resolves with its end. */
function interrupted(dir: string, signal: NodeJS.Signals): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...NODE_FLAGS, CLI, ...SWEEP, '--out', dir])
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    const before = finishedIn(dir).length
    const watch = setInterval(() => {
      if (finishedIn(dir).length >= before + 3) {
        clearInterval(watch)
        child.kill(signal)
      }
    }, 5)
    child.on('close', (code) => {
      clearInterval(watch)
      resolve({ code, stderr })
    })
  })
}

function finishedIn(dir: string): string[] {
  try {
    return readdirSync(join(dir, 'jobs')).filter((name) => name.endsWith('.json'))
  } catch {
    return []
  }
}

describe('sweep', () => {
  it('goes on after a kill and after Ctrl-C, and ends with the bytes of an uninterrupted one', async () => {
    const whole = temporaryFolder()
    const parts = temporaryFolder()
    expect((await sim(...SWEEP, '--out', whole)).code).toBe(0)
    expect(finishedIn(whole)).toHaveLength(JOBS)

    await interrupted(parts, 'SIGKILL')
    expect(finishedIn(parts).length).toBeLessThan(JOBS)
    const stopped = await interrupted(parts, 'SIGINT')
    expect(stopped.code).toBe(130)
    expect(stopped.stderr).toMatch(/stopped with \d+ of 60 runs finished; the same command goes on from there/)

    const before = finishedIn(parts)
    expect(before.length).toBeLessThan(JOBS)
    // A run that a crash of the machine left half written counts as not finished.
    writeFileSync(join(parts, 'jobs', before[0]!), '{"metrics":{')
    const end = await sim(...SWEEP, '--out', parts)
    expect(end.code).toBe(0)
    expect(end.stderr.split('\n')[0]).toBe(`${before.length - 1} of 60 runs`)
    expect(resultsOf(parts)).toEqual(resultsOf(whole))
  })

  it('writes every run with parameters, seed and commit, and a page without outside resources', async () => {
    const dir = temporaryFolder()
    const vary = ['--vary', 'emission.ramp=none,quadratic', '--seeds', '2']
    await sim('sweep', 'fair-launch', ...vary, '--param', 'horizonDays=10', '--out', dir)
    const [header, ...lines] = readFileSync(join(dir, 'results.csv'), 'utf8').trimEnd().split('\r\n')
    const columns = header!.split(',')
    const rows = lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [columns[i], cell])))
    expect(rows.map((row) => [row['emission.ramp'], row.seed])).toEqual([
      ['none', '1'],
      ['none', '2'],
      ['quadratic', '1'],
      ['quadratic', '2'],
    ])
    expect(rows[0]).toMatchObject({ scenario: 'fair-launch', preset: 'nacre', horizonDays: '10', kernelFactor: '10' })
    expect(rows[0]!.commit).toMatch(/^([0-9a-f]{40}(\+changes)?|unknown)$/)

    const json = JSON.parse(readFileSync(join(dir, 'results.json'), 'utf8'))
    expect(json.combinations).toHaveLength(2)
    expect(json.combinations[0].params).toContain('emission.ramp=none')
    expect(String(json.combinations[1].runs[1].metrics.insiderSharePercent)).toBe(rows[3]!.insiderSharePercent)

    const html = readFileSync(join(dir, 'report.html'), 'utf8')
    expect(html).not.toMatch(/https?:|<script|<link|src=|url\(|NaN|Infinity|undefined/)
    expect(html.match(/<svg/g)!.length).toBeGreaterThan(10)
    expect(html).toContain('prefers-color-scheme:dark')
  })

  it('refuses a folder that holds another sweep or other files', async () => {
    const dir = temporaryFolder()
    const small = ['sweep', 'fair-launch', '--seeds', '1', '--param', 'horizonDays=8', '--out', dir]
    expect((await sim(...small)).code).toBe(0)
    const other = await sim(...small, '--param', 'kernelFactor=2')
    expect(other.code).toBe(2)
    expect(other.stderr).toContain('kernelFactor=2')
    const foreign = temporaryFolder()
    writeFileSync(join(foreign, 'notes.txt'), 'mine')
    const refused = await sim('sweep', 'fair-launch', '--seeds', '1', '--out', foreign)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('holds no sweep')
    expect(readdirSync(foreign)).toEqual(['notes.txt'])
  })
})
