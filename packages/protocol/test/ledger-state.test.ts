import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cumulativeEmission } from '../src/emission/subsidy.ts'
import { ProtocolError } from '../src/errors.ts'
import { accountOf } from '../src/keys.ts'
import { auditSupply } from '../src/ledger/accounting.ts'
import {
  accountCodec,
  amountCodec,
  barredCodec,
  immatureCodec,
  MAX_IMMATURE_ENTRIES,
  readAccount,
  registrationCodec,
  unbondingCodec,
  writeAccount,
  writeAmount,
  writeImmature,
  writeUnbonding,
} from '../src/ledger/entries.ts'
import { genesisState } from '../src/ledger/genesis.ts'
import { accountKey, barredKey, immatureKey, registrationKey, unbondingKey } from '../src/ledger/keys.ts'
import { applyChanges, revertChanges, StateDraft } from '../src/ledger/state.ts'
import { emptyLtHash, stateRootOf } from '../src/lthash.ts'
import { presets } from '../src/params/presets.ts'
import { ALICE, TestLedger } from './ledger-fixture.ts'

const EMPTY = { get: (): undefined => undefined }

describe('state keys', () => {
  test('are the documented text', () => {
    const account = new Uint8Array(20).fill(0xab)
    const key = new Uint8Array(32).fill(0xcd)
    expect(accountKey(account)).toBe(`account/${'ab'.repeat(20)}`)
    expect(registrationKey(0, key)).toBe(`miner/${'cd'.repeat(32)}`)
    expect(registrationKey(1, key)).toBe(`verifier/${'cd'.repeat(32)}`)
    expect(immatureKey(12)).toBe('immature/0000000012')
    expect(unbondingKey(2 ** 31)).toBe('unbonding/2147483648')
    expect(barredKey(key)).toBe(`barred/${'cd'.repeat(32)}`)
    expect([immatureKey(100), immatureKey(9)].sort()).toEqual([immatureKey(9), immatureKey(100)])
  })
})

describe('StateDraft', () => {
  test('remembers the first before and the last after, sorted, without what did not change', () => {
    const below = new Map([
      ['b', Uint8Array.of(1)],
      ['c', Uint8Array.of(2)],
      ['d', Uint8Array.of(3)],
    ])
    const draft = new StateDraft(below)
    draft.set('d', undefined)
    draft.set('c', Uint8Array.of(9))
    draft.set('c', Uint8Array.of(2))
    draft.set('b', Uint8Array.of(5))
    draft.set('b', Uint8Array.of(6))
    draft.set('a', Uint8Array.of(7))
    draft.set('z', Uint8Array.of(7))
    draft.set('z', undefined)
    expect(draft.get('b')).toEqual(Uint8Array.of(6))
    expect(draft.get('d')).toBeUndefined()
    expect(below.get('b')).toEqual(Uint8Array.of(1))
    expect(draft.finish()).toEqual([
      { key: 'a', before: undefined, after: Uint8Array.of(7) },
      { key: 'b', before: Uint8Array.of(1), after: Uint8Array.of(6) },
      { key: 'd', before: Uint8Array.of(3), after: undefined },
    ])
  })

  test('zero values have no entry', () => {
    const draft = new StateDraft(EMPTY)
    writeAccount(draft, new Uint8Array(20), { balance: 0n, nonce: 0n })
    writeAmount(draft, 'burned', 0n)
    writeImmature(draft, 5, [])
    writeUnbonding(draft, 5, [])
    expect(draft.finish()).toEqual([])
    writeAccount(draft, new Uint8Array(20), { balance: 0n, nonce: 1n })
    expect(draft.finish()).toHaveLength(1)
  })

  test('property (P7): the same changes give the same root in any order, and undoing them gives the old one', () => {
    const value = fc.option(fc.uint8Array({ maxLength: 8 }), { nil: undefined })
    const change = fc.record({ key: fc.string({ maxLength: 4 }), before: value, after: value })
    const changes = fc.uniqueArray(change, { selector: (c) => c.key, maxLength: 6 })
    fc.assert(
      fc.property(changes, fc.infiniteStream(fc.nat()), (list, order) => {
        const ranks = new Map(list.map((c) => [c, order.next().value as number]))
        const shuffled = [...list].sort((a, b) => ranks.get(a)! - ranks.get(b)!)
        const start = applyChanges(emptyLtHash(), [{ key: 'k', before: undefined, after: Uint8Array.of(1) }])
        const after = applyChanges(start, list)
        expect(stateRootOf(applyChanges(start, shuffled))).toEqual(stateRootOf(after))
        expect(applyChanges(after, revertChanges(shuffled))).toEqual(start)
      }),
      { numRuns: 50 },
    )
  })
})

describe('codecs of entries', () => {
  const codecs = [accountCodec, registrationCodec, immatureCodec, unbondingCodec, amountCodec, barredCodec]

  test('property (P8): garbage is a ProtocolError, whatever decodes encodes to the same bytes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...codecs), fc.uint8Array({ maxLength: 80 }), (codec, bytes) => {
        try {
          expect((codec.encode as (value: unknown) => Uint8Array)(codec.decode(bytes))).toEqual(bytes)
        } catch (cause) {
          if (!(cause instanceof ProtocolError)) throw cause
          expect(cause.code).toMatch(/^CODEC_/)
        }
      }),
    )
  })

  test('a list length beyond the bound is refused before anything is allocated', () => {
    const bytes = Uint8Array.of(0xff, 0xff, 0xff, 0xff)
    for (const codec of [immatureCodec, unbondingCodec]) expect(() => codec.decode(bytes)).toThrow('CODEC_MALFORMED')
    const entry = { account: new Uint8Array(20), grains: 1n, minerKey: new Uint8Array(32) }
    const full = Array.from({ length: MAX_IMMATURE_ENTRIES }, () => entry)
    expect(immatureCodec.decode(immatureCodec.encode(full))).toEqual(full)
    expect(() => immatureCodec.encode([...full, entry])).toThrow('CODEC_MALFORMED')
  })

  test('an immature entry has a key of 32 bytes or none, a role is 0 or 1', () => {
    const entry = { account: new Uint8Array(20), grains: 1n }
    for (const minerKey of [new Uint8Array(0), new Uint8Array(32)])
      expect(immatureCodec.decode(immatureCodec.encode([{ ...entry, minerKey }]))).toEqual([{ ...entry, minerKey }])
    expect(() => immatureCodec.encode([{ ...entry, minerKey: new Uint8Array(31) }])).toThrow('CODEC_MALFORMED')
    const bytes = unbondingCodec.encode([{ role: 1, publicKey: new Uint8Array(32) }])
    bytes[4] = 2
    expect(() => unbondingCodec.decode(bytes)).toThrow('CODEC_MALFORMED')
  })
})

describe('genesis', () => {
  test('nacre starts with nothing (ECO-1)', () => {
    const { changes, stateRoot } = genesisState(presets.nacre)
    expect(changes).toEqual([])
    expect(stateRoot).toEqual(stateRootOf(emptyLtHash()))
  })

  test('premine and faucet are balances and are counted', () => {
    const account = accountOf(ALICE.publicKey)
    const hex = accountKey(account).slice('account/'.length)
    const emission = {
      ...presets.unit.emission,
      premineGrains: 5n,
      teamAccount: hex,
      faucetGrains: 7n,
      faucetAccount: hex,
    }
    const ledger = new TestLedger({ ...presets.unit, emission })
    expect(readAccount(ledger, account)).toEqual({ balance: 12n, nonce: 0n })
    expect(ledger.audit()).toMatchObject({
      premine: 5n,
      faucet: 7n,
      emitted: 0n,
      balances: 12n,
      created: 12n,
      held: 12n,
    })
  })
})

describe('auditSupply (P3)', () => {
  test('counts every category after some blocks', () => {
    const ledger = new TestLedger()
    ledger.blocks(8)
    const audit = ledger.audit()
    expect(audit.held).toBe(audit.created)
    expect(audit.emitted).toBe(cumulativeEmission(ledger.params, 8))
    for (const part of ['balances', 'immature', 'deferred', 'verifierPool'] as const)
      expect(audit[part] > 0n).toBe(true)
  })

  test('an entry that no rule writes is CODEC_MALFORMED', () => {
    for (const key of ['', 'x', 'account', 'accounts/00', 'supply/other'])
      expect(() => auditSupply([[key, new Uint8Array(8)]])).toThrow('CODEC_MALFORMED')
    expect(() => auditSupply([['account/00', new Uint8Array(15)]])).toThrow('CODEC_')
  })

  test('notices a grain too many', () => {
    const ledger = new TestLedger()
    ledger.blocks(2)
    ledger.entries.set('deferred', amountCodec.encode(amountCodec.decode(ledger.entries.get('deferred')!) + 1n))
    expect(ledger.audit().held).toBe(ledger.audit().created + 1n)
  })
})
