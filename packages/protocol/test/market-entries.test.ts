/** State entries of the market (P8), and vectors/market.json (ECO-3 to ECO-7, JOB-2). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hexToBytes } from '../src/bytes.ts'
import { ProtocolError } from '../src/errors.ts'
import {
  asksKey,
  assignedKey,
  blockIdKey,
  CLEARED_KEY,
  jobKey,
  marketKey,
  openKey,
  pendingAsksKey,
  promptKey,
  SETTLEMENT_FROM_KEY,
  settlementKey,
  VERIFIERS_KEY,
  weightKey,
  wonKey,
} from '../src/ledger/keys.ts'
import { StateDraft } from '../src/ledger/state.ts'
import * as entries from '../src/market/entries.ts'
import { marketVectors } from './vectors/market.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

test('vectors/market.json, and the job record in it decodes', () => {
  const stored = storedVectors('market', marketVectors) as { jobRecord: string }
  expect(asJson(marketVectors())).toEqual(stored)
  const job = entries.jobCodec.decode(hexToBytes(stored.jobRecord))
  expect(job).toMatchObject({ promptTokens: 16, held: 900n, delivery: { rank: 1, newTokens: 3 } })
})

test('keys are the documented text', () => {
  const id = new Uint8Array(32).fill(0xab)
  const hex = 'ab'.repeat(32)
  expect([jobKey(id), promptKey(id), weightKey(id)]).toEqual([`job/${hex}`, `prompt/${hex}`, `weight/${hex}`])
  expect([openKey(hex), asksKey(hex), marketKey(hex)]).toEqual([`open/${hex}`, `asks/${hex}`, `market/${hex}`])
  expect([pendingAsksKey(7), assignedKey(7), settlementKey(7), wonKey(7), blockIdKey(7)]).toEqual([
    'asks-pending/0000000007',
    'assigned/0000000007',
    'settlement/0000000007',
    'won/0000000007',
    'block/0000000007',
  ])
  expect([CLEARED_KEY, SETTLEMENT_FROM_KEY, VERIFIERS_KEY]).toEqual(['cleared', 'settlement-from', 'verifiers'])
})

describe('codecs', () => {
  const codecs = Object.values(entries).filter((value) => typeof value === 'object' && 'decode' in value)

  test('property (P8): garbage is a ProtocolError, whatever decodes encodes to the same bytes', () => {
    expect(codecs).toHaveLength(12)
    fc.assert(
      fc.property(fc.constantFrom(...codecs), fc.uint8Array({ maxLength: 300 }), (codec, bytes) => {
        try {
          expect((codec.encode as (value: unknown) => Uint8Array)(codec.decode(bytes))).toEqual(bytes)
        } catch (cause) {
          if (!(cause instanceof ProtocolError)) throw cause
          expect(cause.code).toMatch(/^CODEC_/)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a list length beyond the bound is refused before anything is allocated', () => {
    const bytes = Uint8Array.of(0xff, 0xff, 0xff, 0xff)
    const { promptCodec, openCodec, asksCodec, pendingAsksCodec, clearedCodec, settlementCodec } = entries
    for (const codec of [promptCodec, openCodec, asksCodec, pendingAsksCodec, clearedCodec, settlementCodec])
      expect(() => codec.decode(bytes)).toThrow('CODEC_MALFORMED')
  })
})

test('zeros and empty lists have no entry', () => {
  const draft = new StateDraft({ get: () => undefined })
  const id = new Uint8Array(32)
  entries.writeOpenJobs(draft, 'm', [])
  entries.writeAsks(draft, 'm', [])
  entries.writePendingAsks(draft, 1, [])
  entries.writeCleared(draft, [])
  entries.writeAssigned(draft, 1, [])
  entries.writeSettlement(draft, 1, [])
  entries.writeSettlementFrom(draft, undefined)
  entries.writeVerifiers(draft, 0)
  entries.writeWeight(draft, id, { work: 0n, height: 9 })
  entries.writeMarket(draft, 'm', entries.readMarket(draft, 'm'))
  entries.deleteJob(draft, id)
  expect(draft.finish()).toEqual([])
})
