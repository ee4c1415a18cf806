/** `nacre gateway` and `gateway key` as typed: keys made and taken away, and usage that is refused before anything starts. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readKeys } from '@nacre/gateway'
import { afterAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const nodeArgs = ['--conditions=development', '--disable-warning=ExperimentalWarning', 'packages/cli/src/nacre.ts']
const dir = mkdtempSync(join(tmpdir(), 'nacre-gateway-cli-'))
afterAll(() => rmSync(dir, { recursive: true }))
const path = join(dir, 'deep', 'keys.json')

interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

function gateway(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [...nodeArgs, 'gateway', ...args], { cwd: root, timeout: 60_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}
const key = (...args: string[]): Promise<Run> => gateway('key', ...args, '--keys', path)

describe('keys', () => {
  it('are made with limits, shown once, listed without secrets, and revoked', async () => {
    const made = await key('add', '--limit', '1.5', '--name', 'Ann', '--rpm', '30', '--verify', 'full')
    expect(made.code).toBe(0)
    expect(made.out).toMatch(/^nk-[\w-]{43}\n$/)
    expect(made.err).toContain('Ann: 1.5 NCR in 24 h, 30 requests a minute, 8 at once, verify full')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path, 'utf8')).not.toContain(made.out.trim().slice(3))
    const other = JSON.parse((await key('add', '--limit', '2', '--window', '1', '--json')).out)
    expect(other).toMatchObject({ limitGrains: '200000000', windowHours: 1 })
    const list = await key('list', '--json')
    expect(JSON.parse(list.out).keys.map(({ name }: { name: string }) => name)).toEqual(['Ann', 'key'])
    expect(list.out).not.toContain('hash')
    expect((await key('revoke', other.id)).out).toContain(`revoked ${other.id}`)
    expect((await readKeys(path)).map(({ name }) => name)).toEqual(['Ann'])
    const gone = await key('revoke', other.id, '--json')
    expect(gone.code).toBe(1)
    expect(JSON.parse(gone.out)).toMatchObject({ error: { code: 'NO_KEY' } })
  })

  const refused: readonly [string, string[], string][] = [
    ['no limit', ['add'], 'USAGE'],
    ['a negative limit', ['add', '--limit', '-1'], 'AMOUNT_NEGATIVE'],
    ['a limit finer than a grain', ['add', '--limit', '0.000000001'], 'AMOUNT_TOO_FINE'],
    ['a rate of nothing', ['add', '--limit', '1', '--rpm', '0'], 'USAGE'],
    ['a mode that there is not', ['add', '--limit', '1', '--verify', 'no'], 'USAGE'],
  ]
  it.each(refused)('are refused with %s', async (_, args, code) => {
    const before = readFileSync(path, 'utf8')
    const run = await key(...args, '--json')
    expect(run.code).toBe(2)
    expect(JSON.parse(run.out)).toMatchObject({ error: { code } })
    expect(readFileSync(path, 'utf8')).toBe(before)
  })
})

describe('usage', () => {
  it('help names every option, and what a gateway without keys is', async () => {
    const { code, out } = await gateway('--help')
    expect(code).toBe(0)
    for (const option of ['--rpc', '--wallet', '--keys', '--policy', '--verify', '--deadline', '--host', '--port'])
      expect(out).toContain(option)
    expect(out).toContain('without them no key is needed, and only this machine is served')
    expect((await gateway('key', '--help')).out).toContain('gateway key add')
  })

  const wrong: readonly [string, string[], string][] = [
    ['others could reach it without keys', ['--host', '0.0.0.0'], '--keys FILE is needed'],
    ['keys and no keys', ['--keys', 'k', '--no-keys'], '--no-keys and --keys are two ways'],
    ['two wallets', ['--wallet', 'w', '--test-wallet', 'd'], '--test-wallet goes without --wallet'],
    ['a ledger without keys', ['--ledger', 'x'], '--ledger goes with --keys'],
    ['a price beside a policy', ['--policy', 'p', '--max-price', '5'], 'for a gateway without --policy'],
    ['a mode that there is not', ['--verify', 'maybe'], '--verify is off, sampled or full'],
    ['a share of nothing', ['--sample-share', '0'], '--sample-share is a number above 0'],
    ['a port that there is not', ['--port', '70000'], '--port is a whole number'],
    ['a wallet that there is not', ['--wallet', join(dir, 'none.json')], 'there is no wallet'],
    ['an option that there is not', ['--color'], "Unknown option '--color'"],
  ]
  it.each(wrong)('%s', async (_, args, message) => {
    const { code, err } = await gateway(...args)
    expect(code).toBeGreaterThan(0)
    expect(err).toContain(message)
  })
})
