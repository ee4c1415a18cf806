import { accusationCommitment } from '../../src/audit/accusations.ts'
import type { FraudProof, VerdictProof } from '../../src/audit/payloads.ts'
import { bytesToHex, concatBytes, hexToBytes } from '../../src/bytes.ts'
import { ProtocolError } from '../../src/errors.ts'
import { accountOf, keyPairFromSeed } from '../../src/keys.ts'
import {
  decodeTransaction,
  encodeTransaction,
  signTransaction,
  TRANSACTION_TAGS,
  type TransactionBody,
  transactionId,
} from '../../src/ledger/transactions.ts'
import type { StepOpening } from '../../src/trace/opening.ts'

const KEYS = keyPairFromSeed(new Uint8Array(32).fill(1))
const CHAIN_ID = new Uint8Array(32).fill(0xc1)

const JOB = new Uint8Array(32).fill(0x70)
const OPENING: StepOpening = {
  ref: { kind: 'input', layer: 0, group: 0, position: 0 },
  subtrees: [
    {
      index: 1,
      root: new Uint8Array(32).fill(0x11),
      leafCount: 1,
      indices: [0],
      leaves: [hexToBytes('0100000002000000')],
      proof: [],
    },
  ],
  topProof: [new Uint8Array(32).fill(0x22)],
}
const FRAUD_PROOF: FraudProof = {
  kind: 'fraudProof',
  jobId: JOB,
  salt: new Uint8Array(32).fill(0x5a),
  opening: OPENING,
}
const VERDICT_PROOF: VerdictProof = {
  ...FRAUD_PROOF,
  kind: 'verdictProof',
  verifier: new Uint8Array(32).fill(0xfe),
  step: 3,
}

const BODIES: [name: string, body: TransactionBody, nonce: bigint, fee: bigint][] = [
  ['transfer', { kind: 'transfer', to: accountOf(new Uint8Array(32).fill(9)), grains: 123_456_789n }, 0n, 1000n],
  [
    'largest amounts',
    { kind: 'transfer', to: new Uint8Array(20), grains: 2n ** 64n - 1n },
    2n ** 64n - 1n,
    2n ** 64n - 1n,
  ],
  ['miner registration', { kind: 'minerRegister' }, 1n, 1000n],
  ['verifier registration', { kind: 'verifierRegister' }, 2n, 1000n],
  ['unbond miner', { kind: 'unbond', role: 0 }, 3n, 1000n],
  ['unbond verifier', { kind: 'unbond', role: 1 }, 4n, 1000n],
  ['equivocation', { kind: 'equivocation', evidenceA: hexToBytes('0102'), evidenceB: hexToBytes('030405') }, 5n, 1000n],
  [
    'job',
    {
      kind: 'job',
      modelId: new Uint8Array(32).fill(0x0d),
      promptTokens: [1, 256, 65_536],
      maxNewTokens: 7,
      decoding: { temperatureMilli: 700, seed: new Uint8Array(32).fill(0x5e), stopAtEos: true },
      maxPrice: 1_000_000_000n,
      expiryHeight: 400,
    },
    7n,
    1000n,
  ],
  [
    'receipt',
    {
      kind: 'receipt',
      jobId: new Uint8Array(32).fill(0x70),
      unitParentId: new Uint8Array(32).fill(0xb1),
      traceRoot: new Uint8Array(32).fill(0x7a),
      tokens: [3, 2, 1],
    },
    8n,
    1000n,
  ],
  ['ask', { kind: 'ask', modelId: new Uint8Array(32).fill(0x0d), price: 5n, capacityMacs: 10n ** 10n }, 9n, 1000n],
  ['withdrawn ask', { kind: 'ask', modelId: new Uint8Array(32).fill(0x0d), price: 0n, capacityMacs: 0n }, 10n, 1000n],
  ['accusation', { kind: 'accusation', commitment: new Uint8Array(32).fill(0xac) }, 11n, 1000n],
  ['fraud proof', FRAUD_PROOF, 12n, 1000n],
  ['verdict proof', VERDICT_PROOF, 13n, 1000n],
  ['verifier commit', { kind: 'verifierCommit', epoch: 7, commitment: new Uint8Array(32).fill(0xc0) }, 14n, 1000n],
  ['plant commit', { kind: 'plantCommit', epoch: 7, commitment: new Uint8Array(32).fill(0xc7) }, 20n, 1000n],
  [
    'plant reveal',
    {
      kind: 'plantReveal',
      epoch: 7,
      secret: new Uint8Array(32).fill(0x5e),
      plants: [{ jobId: JOB, traceRoot: new Uint8Array(32).fill(0x7a) }],
    },
    21n,
    1000n,
  ],
  ['verifier reveal', { kind: 'verifierReveal', epoch: 7, secret: new Uint8Array(32).fill(0x5e) }, 15n, 1000n],
  [
    'verdict',
    {
      kind: 'verdict',
      jobId: JOB,
      delivery: new Uint8Array(32).fill(0xde),
      digests: [new Uint8Array(8).fill(1), new Uint8Array(8).fill(2)],
    },
    16n,
    1000n,
  ],
  [
    'challenge',
    { kind: 'challenge', jobId: JOB, ref: { kind: 'attend', layer: 1, group: 2, position: 300 }, bond: 1_000_000n },
    17n,
    1000n,
  ],
  ['response', { kind: 'response', jobId: JOB, opening: OPENING }, 18n, 1000n],
  ['empty evidence', { kind: 'equivocation', evidenceA: new Uint8Array(0), evidenceB: new Uint8Array(0) }, 6n, 0n],
]

/** Fields with bytes as hex and amounts as text; tokens stay lists. */
const hexFields = (body: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).map(([name, value]) => [name, hexField(value)]))

function hexField(value: unknown): unknown {
  if (value instanceof Uint8Array) return bytesToHex(value)
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map(hexField)
  return typeof value === 'object' && value !== null ? hexFields(value) : value
}

/** Bytes of the envelope before the payload length. */
const HEAD = 1 + 32 + 1 + 32 + 8 + 8

function invalidTransactions(): { name: string; bytes: Uint8Array }[] {
  const [transferBody, unbondBody] = [BODIES[0]![1], BODIES[4]![1]]
  const make = (body: TransactionBody): Uint8Array =>
    encodeTransaction(signTransaction({ chainId: CHAIN_ID, nonce: 0n, fee: 1000n, body }, KEYS))
  const transfer = make(transferBody)
  const withByte = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    const copy = bytes.slice()
    copy[at] = value
    return copy
  }
  const reserved = Object.values(TRANSACTION_TAGS).filter((tag) => [13, 14, 16].includes(tag))
  return [
    { name: 'empty', bytes: new Uint8Array(0) },
    { name: 'one byte short', bytes: transfer.slice(0, -1) },
    { name: 'version 0', bytes: withByte(transfer, 0, 0) },
    { name: 'version 2', bytes: withByte(transfer, 0, 2) },
    { name: 'tag 0', bytes: withByte(transfer, 33, 0) },
    { name: 'tag 20', bytes: withByte(transfer, 33, 20) },
    { name: 'tag 255', bytes: withByte(transfer, 33, 255) },
    ...reserved.map((tag) => ({ name: `reserved tag ${tag}`, bytes: withByte(transfer, 33, tag) })),
    { name: 'payload of another kind', bytes: withByte(transfer, 33, TRANSACTION_TAGS.unbond) },
    { name: 'payload where none belongs', bytes: withByte(transfer, 33, TRANSACTION_TAGS.minerRegister) },
    { name: 'payload length beyond the end', bytes: withByte(transfer, HEAD, 200) },
    {
      name: 'payload length of 2^32 - 1',
      bytes: concatBytes(transfer.slice(0, HEAD), new Uint8Array(4).fill(255), transfer.slice(HEAD + 4)),
    },
    { name: 'unknown role', bytes: withByte(make(unbondBody), HEAD + 4, 2) },
  ]
}

function errorOf(bytes: Uint8Array): string {
  try {
    decodeTransaction(bytes)
  } catch (cause) {
    if (cause instanceof ProtocolError) return cause.code
    throw cause
  }
  throw new Error('an invalid vector decodes')
}

/** The transaction codec by example (CNV-1, ECO-1). */
export function codecVectors(): unknown {
  return {
    description: 'Transactions: bytes, id and signature under the key of 32 bytes of 1, and bytes that do not decode.',
    secretKey: bytesToHex(KEYS.secretKey),
    tags: TRANSACTION_TAGS,
    valid: BODIES.map(([name, body, nonce, fee]) => {
      const transaction = signTransaction({ chainId: CHAIN_ID, nonce, fee, body }, KEYS)
      return {
        name,
        chainId: bytesToHex(CHAIN_ID),
        sender: bytesToHex(transaction.sender),
        nonce: String(nonce),
        fee: String(fee),
        body: hexFields(body),
        bytes: bytesToHex(encodeTransaction(transaction)),
        id: bytesToHex(transactionId(transaction)),
      }
    }),
    accusations: [FRAUD_PROOF, VERDICT_PROOF].map((proof) => ({
      name: proof.kind,
      commitment: bytesToHex(accusationCommitment(KEYS.publicKey, proof)),
    })),
    invalid: invalidTransactions().map(({ name, bytes }) => ({
      name,
      bytes: bytesToHex(bytes),
      error: errorOf(bytes),
    })),
  }
}
