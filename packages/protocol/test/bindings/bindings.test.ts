/**
 * B1 to B6 as switches: a cheat's block is refused with its code where the binding holds, and the same cheat's block is valid where
 * exactly that binding is off. Blocks are real, and pass through everything that a node checks.
 *
 *   network with the binding      genesis - cheat    refused, with the binding's code
 *   network without               genesis - cheat    valid
 *                                 genesis - honest   valid in both
 */
import { describe, expect, test } from 'vitest'
import { presets } from '../../src/index.ts'
import { accepted, rejected } from '../rules/verbs.ts'
import { CHEATS } from './cheats.ts'
import { blockOf, networkOf, unitOf, validate } from './network.ts'

describe.each(CHEATS)('$binding: $does', (cheat) => {
  const on = networkOf(...cheat.both)
  const off = networkOf(...cheat.both, ...cheat.off)

  test('is refused where the binding holds', () => {
    rejected(cheat.refused, () => validate(on, cheat.make(on)))
  })

  test('makes a valid block where it is off', () => {
    const block = cheat.make(off)
    accepted(() => validate(off, block))
  })

  test('where every other binding is off and this one holds, it is refused all the same', () => {
    const others = CHEATS.flatMap(({ off: lines }) => (lines === cheat.off ? [] : lines))
    const network = networkOf(...cheat.both, ...others)
    rejected(cheat.refused, () => validate(network, cheat.make(network)))
  })
})

test('an honest block is valid whatever is switched off, alone or all together', () => {
  const lines = [[], ...CHEATS.map(({ off }) => off), CHEATS.flatMap(({ off }) => off)]
  for (const off of lines) {
    const network = networkOf(...off)
    accepted(() => validate(network, blockOf(network, unitOf(network))))
  }
})

test('presets switch nothing off but those of the Pearl baseline, which has none of the six', () => {
  const off = Object.entries(presets).filter(([, { bindings }]) => Object.values(bindings).includes('off'))
  expect(off.map(([name]) => name).filter((name) => !name.startsWith('pearl'))).toEqual([])
})
