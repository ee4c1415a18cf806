import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '../src/bytes.ts'
import { ProtocolError } from '../src/errors.ts'
import { taggedHash } from '../src/hash.ts'
import {
  decodeTransaction,
  encodeTransaction,
  hasValidTransactionSignature,
  MAX_EVIDENCE_BYTES,
  signTransaction,
  TRANSACTION_TAGS,
  type TransactionBody,
  transactionId,
  transactionIdOfBytes,
} from '../src/ledger/transactions.ts'
import { MAX_TRANSACTION_BYTES } from '../src/limits.ts'
import { ALICE, BOB, CHAIN_ID, transactionOf, transfer } from './ledger-fixture.ts'
import { codecVectors } from './vectors/codec.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const u32 = fc.nat(2 ** 32 - 1)
const u64 = fc.bigInt(0n, (1n << 64n) - 1n)
const body: fc.Arbitrary<TransactionBody> = fc.oneof(
  fc.record({
    kind: fc.constant('transfer'),
    to: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    grains: u64,
  } as const),
  fc.constantFrom({ kind: 'minerRegister' } as const, { kind: 'verifierRegister' } as const),
  fc.record({ kind: fc.constant('unbond'), role: fc.constantFrom(0, 1) } as const),
  fc.record({
    kind: fc.constant('equivocation'),
    evidenceA: fc.uint8Array({ maxLength: MAX_EVIDENCE_BYTES }),
    evidenceB: fc.uint8Array({ maxLength: MAX_EVIDENCE_BYTES }),
  } as const),
  fc.record({
    kind: fc.constant('job'),
    modelId: bytes32,
    promptTokens: fc.array(u32, { maxLength: 40 }),
    maxNewTokens: u32,
    decoding: fc.record({ temperatureMilli: fc.nat(65_535), seed: bytes32, stopAtEos: fc.boolean() }),
    maxPrice: u64,
    expiryHeight: u32,
    minerKey: fc.option(bytes32, { nil: undefined }),
  } as const),
  fc.record({
    kind: fc.constant('receipt'),
    jobId: bytes32,
    unitParentId: bytes32,
    traceRoot: bytes32,
    tokens: fc.array(u32, { maxLength: 40 }),
  } as const),
  fc.record({ kind: fc.constant('ask'), modelId: bytes32, price: u64, capacityMacs: u64 } as const),
)
const sample = decodeTransaction(transactionOf(ALICE, 3n, transfer(new Uint8Array(20).fill(9), 5n)))

describe('transaction tags', () => {
  test('are stable and unique', () => {
    expect(TRANSACTION_TAGS).toEqual({
      transfer: 1,
      job: 2,
      minerRegister: 3,
      verifierRegister: 4,
      receipt: 5,
      challenge: 6,
      response: 7,
      fraudProof: 8,
      equivocation: 9,
      verifierCommit: 10,
      verifierReveal: 11,
      verdict: 12,
      plantCommit: 13,
      plantReveal: 14,
      unbond: 15,
      winnerFailure: 16,
      ask: 17,
      accusation: 18,
      verdictProof: 19,
    })
  })
})

describe('transaction codec', () => {
  test('property: decode(encode(x)) = x for every kind', () => {
    const signature = fc.uint8Array({ minLength: 64, maxLength: 64 })
    fc.assert(
      fc.property(
        fc.record({ chainId: bytes32, sender: bytes32, nonce: u64, fee: u64, body, signature }),
        (transaction) => {
          expect(decodeTransaction(encodeTransaction(transaction))).toEqual(transaction)
        },
      ),
    )
  })

  test('property (P8): garbage and damaged transactions are a ProtocolError, or re-encode to the same bytes', () => {
    const good = encodeTransaction(sample)
    const damaged = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((edits) => {
        const bytes = good.slice()
        for (const [at, value] of edits) bytes[at] = value
        return bytes
      })
    const cut = fc.nat(good.length).map((length) => good.slice(0, length))
    fc.assert(
      fc.property(fc.oneof(damaged, cut, fc.uint8Array({ maxLength: 400 })), (bytes) => {
        try {
          expect(encodeTransaction(decodeTransaction(bytes))).toEqual(bytes)
        } catch (cause) {
          if (!(cause instanceof ProtocolError)) throw cause
          expect(cause.code).toMatch(/^(CODEC_|TX_KIND_UNSUPPORTED)/)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('sizes are bounded', () => {
    expect(() => decodeTransaction(new Uint8Array(MAX_TRANSACTION_BYTES + 1))).toThrow('CODEC_TOO_LARGE')
    const oneMore = new Uint8Array([...encodeTransaction(sample), 0])
    expect(() => decodeTransaction(oneMore)).toThrow(/CODEC_TRAILING_BYTES|CODEC_MALFORMED/)
    const evidenceA = new Uint8Array(MAX_EVIDENCE_BYTES + 1)
    const tooLarge: TransactionBody = { kind: 'equivocation', evidenceA, evidenceB: new Uint8Array(0) }
    expect(() => encodeTransaction({ ...sample, body: tooLarge })).toThrow('CODEC_MALFORMED')
    expect(() => encodeTransaction({ ...sample, nonce: 1n << 64n })).toThrow('CODEC_MALFORMED')
    expect(() => encodeTransaction({ ...sample, fee: -1n })).toThrow('CODEC_MALFORMED')
  })

  test('what is decoded is no view on the input', () => {
    const bytes = encodeTransaction(sample)
    const decoded = decodeTransaction(bytes)
    bytes.fill(0)
    expect(encodeTransaction(decoded)).toEqual(encodeTransaction(sample))
  })
})

describe('ids and signatures', () => {
  test('the id is the tagged hash of the bytes without the signature', () => {
    const bytes = encodeTransaction(sample)
    const id = taggedHash('transaction', bytes.slice(0, -64))
    expect(transactionId(sample)).toEqual(id)
    expect(transactionIdOfBytes(bytes)).toEqual(id)
    expect(transactionId({ ...sample, signature: new Uint8Array(64).fill(1) } as typeof sample)).toEqual(id)
    expect(transactionIdOfBytes(new Uint8Array(3))).toHaveLength(32)
  })

  test('a signature covers every field', () => {
    expect(hasValidTransactionSignature(sample)).toBe(true)
    const changed = [
      { ...sample, chainId: new Uint8Array(32) },
      { ...sample, sender: BOB.publicKey },
      { ...sample, nonce: 4n },
      { ...sample, fee: 1001n },
      { ...sample, body: transfer(new Uint8Array(20).fill(9), 6n) },
      { ...sample, signature: new Uint8Array(64) },
    ]
    for (const transaction of changed) expect(hasValidTransactionSignature(transaction)).toBe(false)
  })

  test('signTransaction sets the sender', () => {
    const unsigned = { chainId: CHAIN_ID, nonce: 0n, fee: 1n, body: { kind: 'minerRegister' } } as const
    expect(signTransaction(unsigned, BOB).sender).toEqual(BOB.publicKey)
  })
})

test('vectors/codec.json, and its bytes mean what it says', () => {
  const stored = storedVectors('codec', codecVectors) as {
    valid: { bytes: string; id: string; nonce: string }[]
    invalid: { bytes: string; error: string }[]
  }
  expect(asJson(codecVectors())).toEqual(stored)
  for (const { bytes, id, nonce } of stored.valid) {
    const transaction = decodeTransaction(hexToBytes(bytes))
    expect(bytesToHex(transactionId(transaction))).toBe(id)
    expect(String(transaction.nonce)).toBe(nonce)
    expect(hasValidTransactionSignature(transaction)).toBe(true)
  }
  for (const { bytes, error } of stored.invalid) expect(() => decodeTransaction(hexToBytes(bytes))).toThrow(error)
})
