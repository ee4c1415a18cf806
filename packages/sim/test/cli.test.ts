import { describe, expect, it } from 'vitest'
import { main } from '../src/commands/main.ts'
import { UsageError } from '../src/index.ts'
import { sim } from './helpers.ts'

describe('command line', () => {
  it('gives the same bytes for the same seed, and others for another', async () => {
    const run = (seed: string) => sim('run', 'fair-launch', '--seed', seed, '--json', '--param', 'horizonDays=20')
    const [first, again, other] = await Promise.all([run('5'), run('5'), run('6')])
    const withoutCommit = (text: string): string => text.replace(/"commit":"[^"]*"/, '')
    expect(first.code).toBe(0)
    expect(withoutCommit(again.stdout)).toBe(withoutCommit(first.stdout))
    const record = JSON.parse(first.stdout)
    expect(record).toMatchObject({ scenario: 'fair-launch', seed: 5, preset: 'nacre', changed: {} })
    expect(record.params).toContain('emission.curve=hyperbolic')
    expect(JSON.parse(other.stdout).metrics).not.toEqual(record.metrics)
  })

  it('takes presets, protocol parameters and scenario parameters', async () => {
    const set = ['--preset', 'devnet', '--set', 'emission.ramp=none', '--param', 'horizonDays=2']
    const { stdout } = await sim('run', 'fair-launch', ...set, '--param', 'headStartDays=0.5', '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      preset: 'devnet',
      changed: { 'emission.ramp': 'none' },
      scenarioParams: { headStartDays: 0.5 },
    })
  })

  it('lists scenarios with their parameters', async () => {
    const { stdout } = await sim('list')
    for (const word of ['fair-launch', 'difficulty', 'kernelFactor=10', 'hopperStolenPercent'])
      expect(stdout).toContain(word)
  })

  const wrong: [string, string[], string][] = [
    ['no command', [], 'no command'],
    ['an unknown command', ['fly'], 'no command fly'],
    ['an unknown scenario', ['run', 'moon'], 'no scenario moon'],
    ['no scenario', ['run'], 'which scenario?'],
    ['an unknown option', ['run', 'fair-launch', '--fast'], '--fast'],
    ['an option of another command', ['run', 'fair-launch', '--seeds', '3'], '--seeds does not go with run'],
    ['a word too many', ['run', 'fair-launch', 'difficulty'], '"difficulty" is one word too many'],
    ['a seed that is no number', ['run', 'fair-launch', '--seed', 'x'], '--seed is a whole number'],
    ['an unknown preset', ['run', 'fair-launch', '--preset', 'mars'], 'no preset mars'],
    ['an unknown protocol parameter', ['run', 'fair-launch', '--set', 'emission.luck=1'], 'emission.luck'],
    [
      'a protocol value of a wrong type',
      ['run', 'fair-launch', '--set', 'block.timeMs=fast'],
      'block.timeMs is an integer',
    ],
    ['a contradiction', ['run', 'fair-launch', '--set', 'emission.teamSharePpm=5'], 'emission.teamAccount'],
    ['an unknown scenario parameter', ['run', 'fair-launch', '--param', 'luck=1'], 'no parameter luck'],
    [
      'a scenario value of a wrong type',
      ['run', 'fair-launch', '--param', 'kernelFactor=fast'],
      'kernelFactor is a number',
    ],
    [
      'a fraction where a whole number belongs',
      ['run', 'fair-launch', '--param', 'propagationMs=1.5'],
      'propagationMs',
    ],
    ['an impossible value', ['run', 'fair-launch', '--param', 'insiderShare=2'], 'insiderShare=2 is outside'],
    ['an unknown choice', ['run', 'fair-launch', '--param', 'coinbase=none'], 'coinbase=none is none of'],
    ['a head start beyond the end', ['run', 'fair-launch', '--param', 'headStartDays=400'], 'headStartDays=400'],
    ['hoppers that leave before they come', ['run', 'difficulty', '--param', 'leaveAbove=1'], 'leaveAbove=1'],
    ['too many blocks', ['run', 'fair-launch', '--preset', 'unit'], 'horizonDays=365 with block.timeMs=1000'],
    ['a sweep without a folder', ['sweep', 'fair-launch'], '--out'],
    [
      'a variation without values',
      ['sweep', 'fair-launch', '--out', '/tmp/never', '--vary', 'kernelFactor='],
      'kernelFactor=',
    ],
    ['a variation over nothing known', ['sweep', 'fair-launch', '--out', '/tmp/never', '--vary', 'luck=1,2'], 'luck'],
    [
      'a bad value in a variation',
      ['sweep', 'fair-launch', '--out', '/tmp/never', '--vary', 'emission.ramp=none,steep'],
      'emission.ramp=steep',
    ],
    [
      'a parameter set and varied',
      ['sweep', 'difficulty', '--out', '/tmp/never', '--param', 'hopperFactor=1', '--vary', 'hopperFactor=1,2'],
      'hopperFactor is both set and varied',
    ],
  ]

  it.each(wrong)('refuses %s and names it', async (_what, args, message) => {
    const error = await main(args).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(UsageError)
    expect((error as UsageError).message).toContain(message)
  })

  it('ends with code 2 and no stack trace', async () => {
    const { code, stdout, stderr } = await sim('run', 'fair-launch', '--set', 'emission.luck=1')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe('sim: PARAM_UNKNOWN: there is no parameter emission.luck\n')
  })
})
