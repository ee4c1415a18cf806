import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../src/bytes.ts'
import { targetFromBits, workOfTarget } from '../src/difficulty/bits.ts'
import { ProtocolError } from '../src/errors.ts'
import { accountOf, keyPairFromSeed } from '../src/keys.ts'
import { PARAM_BREAKS, paramWarnings } from '../src/params/breaks.ts'
import { checkParams } from '../src/params/check.ts'
import { fieldOf, PARAM_FIELDS } from '../src/params/fields.ts'
import { diffParams, overrideParams, paramLines, paramsHash } from '../src/params/lines.ts'
import { FAUCET_ACCOUNT, FAUCET_SEED_HEX, presetByName, presets } from '../src/params/presets.ts'
import type { Params } from '../src/params/types.ts'
import { parameterTable } from './parameter-table.ts'
import { paramsVectors } from './vectors/params.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

const { nacre, devnet, unit } = presets
const pathOf = (line: string): string => line.slice(0, line.indexOf('='))

/** The error of an override; fails if there is none or another kind. */
function refusal(params: Params, ...lines: string[]): ProtocolError {
  try {
    overrideParams(params, lines)
  } catch (cause) {
    if (cause instanceof ProtocolError) return cause
    throw cause
  }
  throw new Error(`${lines.join(' ')} is accepted`)
}

describe('presets', () => {
  test.each(Object.entries(presets))('%s is complete, in range and consistent', (name, params) => {
    checkParams(params)
    expect(params.network.name).toBe(name)
    expect(presetByName(name)).toBe(params)
  })

  test('unknown names are PARAM_UNKNOWN', () => {
    for (const name of ['', 'Nacre', 'moon', 'toString', '__proto__'])
      expect(() => presetByName(name)).toThrow('PARAM_UNKNOWN')
  })

  test('nacre is the fair launch: no premine, no team share, no faucet, a ramp, half deferred, every binding on', () => {
    const { emission, block, difficulty } = nacre
    expect([emission.premineGrains, emission.faucetGrains, emission.tailGrains]).toEqual([0n, 0n, 0n])
    expect([emission.teamSharePpm, emission.bootstrapFactorPpm, emission.verifierSharePpm]).toEqual([
      0, 500_000, 20_000,
    ])
    expect([emission.ramp, emission.rampBlocks, emission.curveBlocks]).toEqual(['quadratic', 40_640, 650_226])
    expect([block.timeMs, block.maturityBlocks, block.maxFutureMs]).toEqual([194_000, 445, 970_000])
    expect([difficulty.algorithm, difficulty.halfLifeMs]).toEqual(['asert', 8 * 3_600_000])
    expect(nacre.network.launchDelayMs).toBe(7 * 86_400_000)
    const { provenance, ...toggles } = nacre.bindings
    expect(new Set(Object.values(toggles))).toEqual(new Set(['on']))
    expect(provenance).toBe('assigned')
  })

  test.each([
    ['nacre', 1e15 * 194],
    ['devnet', 5e9 * 5],
    ['unit', 5e6],
  ] as const)('the first target of %s is calibrated to %d MACs', (name, macs) => {
    const work = Number(workOfTarget(targetFromBits(presets[name].difficulty.genesisBits)))
    expect(Math.abs(work / macs - 1)).toBeLessThan(1e-4)
  })

  test("the faucet's account belongs to the key that everybody knows", () => {
    expect(bytesToHex(accountOf(keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX)).publicKey))).toBe(FAUCET_ACCOUNT)
    expect([devnet, unit].map((params) => params.emission.faucetAccount)).toEqual([FAUCET_ACCOUNT, FAUCET_ACCOUNT])
  })
})

describe('lines, diff and hash', () => {
  test.each(Object.entries(presets))('%s: the field table covers exactly its paths', (_, params) => {
    const paths = paramLines(params).map(pathOf)
    const generic = new Set(paths.map((path) => path.replace(/^models\.\d+\./, 'models.*.')))
    expect([...generic].sort()).toEqual(Object.keys(PARAM_FIELDS).sort())
    expect(paths).toEqual([...paths].sort())
  })

  test('round trip: the lines of one preset turn any other into it', () => {
    for (const from of Object.values(presets)) {
      for (const to of Object.values(presets)) {
        const copy = overrideParams(from, paramLines(to))
        expect(copy).toEqual(to)
        expect(paramsHash(copy)).toEqual(paramsHash(to))
      }
    }
  })

  test('diff names the paths that differ, both ways, and nothing for equals', () => {
    expect(diffParams(nacre, nacre)).toEqual([])
    const other = overrideParams(nacre, ['fees.minTransactionGrains=1', 'block.maxTransactions=7'])
    expect(diffParams(nacre, other)).toEqual([
      { path: 'block.maxTransactions', a: '256', b: '7' },
      { path: 'fees.minTransactionGrains', a: '1000', b: '1' },
    ])
    const two = { ...nacre, models: [...nacre.models, { ...nacre.models[0]!, name: 'two' }] }
    expect(diffParams(nacre, two)).toContainEqual({ path: 'models.1.name', a: undefined, b: 'two' })
  })

  test.each(Object.entries(presets))('%s: the hash changes with every field', (_, params) => {
    const hashes = new Set([bytesToHex(paramsHash(params))])
    const walk = (node: unknown, rebuild: (leaf: unknown) => unknown): void => {
      if (node !== null && typeof node === 'object') {
        for (const [key, child] of Object.entries(node)) {
          walk(child, (leaf) =>
            rebuild(Array.isArray(node) ? Object.assign([...node], { [key]: leaf }) : { ...node, [key]: leaf }),
          )
        }
        return
      }
      const changed = typeof node === 'number' ? node + 1 : typeof node === 'bigint' ? node + 1n : `${String(node)}x`
      hashes.add(bytesToHex(paramsHash(rebuild(changed) as Params)))
    }
    walk(params, (leaf) => leaf)
    expect(hashes.size).toBe(1 + paramLines(params).length)
  })

  test('an override leaves its preset alone', () => {
    const before = paramLines(unit)
    overrideParams(unit, ['block.timeMs=2000', 'difficulty.halfLifeMs=32000'])
    expect(paramLines(unit)).toEqual(before)
  })

  test('a second model can be added field by field', () => {
    const fields = paramLines(unit).filter((line) => line.startsWith('models.0.'))
    const second = fields.map((line) =>
      line.replace('models.0.', 'models.1.').replace(/modelId=.*/, `modelId=${'ab'.repeat(32)}`),
    )
    expect(overrideParams(unit, second).models).toHaveLength(2)
    expect(refusal(unit, ...second.slice(1)).message).toContain('models.1.')
    expect(refusal(unit, 'models.2.name=third').code).toBe('PARAM_UNKNOWN')
  })
})

describe('refused overrides name the code and the path', () => {
  test.each([
    ['block.time=1', 'block.time'],
    ['Block.timeMs=1', 'Block.timeMs'],
    ['block=1', 'block'],
    ['models.0.rank=1', 'models.0.rank'],
    ['models.-1.name=x', 'models.-1.name'],
    ['models.00.name=x', 'models.00.name'],
    ['models.length=0', 'models.length'],
    ['block.__proto__.timeMs=1', 'block.__proto__.timeMs'],
  ])('unknown path: %s', (line, path) => {
    const error = refusal(unit, line)
    expect(error.code).toBe('PARAM_UNKNOWN')
    expect(error.message).toContain(path)
  })

  test.each(['block.timeMs', '', '=1', 'block.timeMs=', 'block.timeMs=1e3', 'block.timeMs=-1', 'block.timeMs=1.5'])(
    'wrong type: "%s"',
    (line) => {
      expect(refusal(unit, line).code).toBe('PARAM_TYPE')
    },
  )

  test.each([
    ['bonds.minerGrains=1.0', 'PARAM_TYPE'],
    ['bonds.minerGrains=123456789012345678901', 'PARAM_TYPE'],
    ['bonds.minerGrains=18446744073709551616', 'PARAM_RANGE'],
    ['block.maxTransactions=1025', 'PARAM_RANGE'],
    ['emission.verifierSharePpm=1000001', 'PARAM_RANGE'],
    ['emission.curve=parabolic', 'PARAM_RANGE'],
    ['network.addressPrefix=btc', 'PARAM_RANGE'],
    ['network.genesisBeacon=00', 'PARAM_RANGE'],
    ['network.name=Capital', 'PARAM_RANGE'],
    ['units.maxNewTokens=0', 'PARAM_RANGE'],
  ])('out of range: %s is %s', (line, code) => {
    const error = refusal(unit, line)
    expect(error.code).toBe(code)
    expect(error.message).toContain(pathOf(line))
  })

  test.each([
    ['block.maxFutureMs=5001', 'block.maxFutureMs'],
    ['difficulty.halfLifeMs=15999', 'difficulty.halfLifeMs'],
    ['bonds.unbondingBlocks=2', 'bonds.unbondingBlocks'],
    ['difficulty.genesisBits=541065216', 'difficulty.genesisBits'],
    ['emission.supplyGrains=0', 'emission.supplyGrains'],
    ['emission.supplyGrains=9223372036854775808', 'emission.supplyGrains'],
    ['emission.premineGrains=1', 'emission.teamAccount'],
    ['emission.teamSharePpm=1', 'emission.teamAccount'],
    ['emission.faucetGrains=0', 'emission.faucetAccount'],
    ['network.addressPrefix=ncr', 'faucet'],
    ['units.maxPromptTokens=23', 'units.bootstrapPromptTokens'],
    ['units.maxNewTokens=3', 'units.bootstrapNewTokens'],
    ['units.maxUnitMacs=10000001', 'units.maxUnitMacs'],
    ['units.referenceMacsPerSecond=499999999', 'units.maxUnitMacs'],
    ['jobs.auditWindowBlocks=3', 'jobs.auditWindowBlocks'],
    ['jobs.maxLifetimeBlocks=4', 'jobs.maxLifetimeBlocks'],
    ['jobs.fallbacks=2', 'bonds.unbondingBlocks'],
    ['models.0.noiseRank=12', 'models.0.noiseRank'],
    ['bindings.checked=off', 'block.winnerCheck=none'],
    ['block.winnerCheck=none', 'bindings.checked=off'],
    ['models.0.tileRows=256 models.0.tileColumns=17', 'models.0'],
  ])('contradiction: %s', (lines, named) => {
    const error = refusal(unit, ...lines.split(' '))
    expect(error.code).toBe('PARAM_CONTRADICTION')
    expect(error.message).toContain(named)
  })

  test.each(
    Object.entries(PARAM_FIELDS).flatMap(([path, field]) =>
      Object.keys(field.refused ?? {}).map((value) => `${path}=${value}`),
    ),
  )('not implemented: %s', (line) => {
    for (const params of Object.values(presets)) {
      const error = refusal(params, line)
      expect(error.code).toBe('PARAM_NOT_IMPLEMENTED')
      expect(error.message).toContain(pathOf(line))
    }
  })

  test('property: an override is accepted with exactly that value, or refused by PARAM_* or BLOCK_BITS', () => {
    const path = fc.constantFrom(...paramLines(unit).map(pathOf))
    const value = fc.oneof(fc.nat().map(String), fc.string(), fc.bigInt(0n, 1n << 70n).map(String))
    fc.assert(
      fc.property(path, value, (at, text) => {
        try {
          expect(fieldOf(at)).toBeDefined()
          const [line] = paramLines(overrideParams(unit, [`${at}=${text}`])).filter((l) => pathOf(l) === at)
          expect(line!.slice(at.length + 1).replace(/^0+(?=\d)/, '')).toBe(text.replace(/^0+(?=\d)/, ''))
        } catch (cause) {
          if (!(cause instanceof ProtocolError)) throw cause
          expect(cause.code).toMatch(/^(PARAM_|BLOCK_BITS)/)
        }
      }),
    )
  })
})

describe('incomplete values', () => {
  test('a missing leaf is PARAM_UNKNOWN, a wrong type PARAM_TYPE, both with the path', () => {
    const { timeMs: _, ...rest } = unit.block
    expect(() => checkParams({ ...unit, block: rest } as Params)).toThrow(/PARAM_UNKNOWN: block\.timeMs/)
    expect(() => checkParams({ ...unit, block: { ...unit.block, timeMs: '1000' } } as unknown as Params)).toThrow(
      /PARAM_TYPE: block\.timeMs/,
    )
    expect(() => checkParams({ ...unit, extra: 1 } as unknown as Params)).toThrow(/PARAM_UNKNOWN.*extra/)
    expect(() => checkParams({ ...unit, models: [] })).toThrow('PARAM_CONTRADICTION')
  })

  test('the same model twice, or too many, is a contradiction', () => {
    const [model] = unit.models
    expect(() => checkParams({ ...unit, models: [model!, model!] })).toThrow(/PARAM_CONTRADICTION.*twice/)
    const many = Array.from({ length: 17 }, (_, i) => ({ ...model!, modelId: i.toString(16).padStart(64, '0') }))
    expect(() => checkParams({ ...unit, models: many })).toThrow(/PARAM_CONTRADICTION.*17/)
  })
})

test('vectors/params.json', () => {
  expect(asJson(paramsVectors())).toEqual(storedVectors('params', paramsVectors))
})

test('what breaks is said of parameters that exist', () => {
  for (const path of Object.keys(PARAM_BREAKS)) expect(PARAM_FIELDS).toHaveProperty([path])
})

test('what breaks with a value is said of exactly that value', () => {
  const warned = (...lines: string[]) =>
    paramWarnings(overrideParams(presets.nacre, lines)).map((line) => line.split(': ')[0])
  expect(warned()).toEqual([])
  expect(warned('bindings.singleUse=off', 'bindings.provenance=client-signed', 'fees.burnPpm=0')).toEqual([
    'bindings.provenance=client-signed',
    'bindings.singleUse=off',
    'fees.burnPpm=0',
  ])
  expect(paramWarnings(overrideParams(presets.nacre, ['bindings.checked=off', 'block.winnerCheck=none']))).toEqual([
    `bindings.checked=off: ${PARAM_BREAKS['bindings.checked']!.slice('off: '.length)}`,
    `block.winnerCheck=none: ${PARAM_BREAKS['block.winnerCheck']!.slice('none: '.length)}`,
  ])
  const off = Object.keys(presets.nacre.bindings).filter((name) => name !== 'provenance')
  for (const name of off) expect(PARAM_BREAKS[`bindings.${name}`]).toMatch(/^off: /)
})

test('the table in docs/spec/04-parameters.md says what code and presets say', () => {
  const text = readFileSync(new URL('../../../docs/spec/04-parameters.md', import.meta.url), 'utf8')
  expect(text).toContain(parameterTable().join('\n'))
})
