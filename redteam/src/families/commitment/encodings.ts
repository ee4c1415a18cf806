/** A second spelling of the same thing: encodings, signatures, chains and addresses. */
import {
  accountOf,
  bigintFromLe,
  checkTransactionForm,
  decodeAddress,
  decodeManifest,
  decodeTransaction,
  encodeAddress,
  encodeManifest,
  encodeTransaction,
  MAX_TRANSACTION_BYTES,
  presets,
  signTransaction,
  type Transaction,
  type TransactionBody,
  unitModel,
} from '@nacre/protocol'
import {
  ALICE,
  BOB,
  CHAIN_ID,
  funded,
  transactionOf,
  transfer,
} from '../../../../packages/protocol/test/ledger-fixture.ts'
import { jobBody } from '../../../../packages/protocol/test/market-fixture.ts'
import type { StoppedAttack } from '../../attack.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'

const CODEC = protocolFile('codec.ts')
/** Order of the group of Ed25519. */
const L = (1n << 252n) + 27742317777372353535851937790883648493n

const signed = (body: TransactionBody, chainId = CHAIN_ID): Transaction =>
  signTransaction({ chainId, nonce: 0n, fee: 1000n, body }, ALICE)
const payment = (): Transaction => signed(transfer(accountOf(BOB.publicKey), 5n))
const paymentBytes = (): Uint8Array => encodeTransaction(payment())

/** The same signature with s + L in place of s. */
function withLargerS(signature: Uint8Array): Uint8Array {
  const s = bigintFromLe(signature.slice(32)) + L
  return Uint8Array.from({ length: 64 }, (_, i) =>
    i < 32 ? signature[i]! : Number((s >> BigInt(8 * (i - 32))) & 255n),
  )
}

/** A job whose flag for the end of sequence is the byte 2. */
function withLooseFlag(): Uint8Array {
  const [on, off] = [true, false].map((stopAtEos) =>
    encodeTransaction(signed(jobBody({ decoding: { ...jobBody().decoding, stopAtEos } }))),
  )
  const at = on!.findIndex((byte, i) => byte !== off![i])
  return on!.with(at, 2)
}

/** A manifest whose epsilon is a NaN, which another machine writes with another payload. */
function withSignallingNan(): Uint8Array {
  const bytes = encodeManifest(unitModel().manifest)
  const epsilon = new Uint8Array(new Float32Array([unitModel().config.normEps]).buffer)
  const at = bytes.findIndex((_, i) => epsilon.every((byte, j) => bytes[i + j] === byte))
  const out = bytes.slice()
  out.set([0x01, 0x00, 0x80, 0x7f], at)
  return out
}

export const encodings: readonly StoppedAttack[] = [
  onProtocol({
    id: 'commitment/trailing-bytes',
    actor: 'outsider',
    targets: 'P2',
    story: 'A byte is put behind a payment of somebody else: other bytes, another id, to be included once more.',
    rule: 'CNV-1',
    code: 'CODEC_TRAILING_BYTES',
    check: {
      file: CODEC,
      from: 'value = coder.decode(own)',
      to: 'value = coder.decode(own, { allowUnreadBytes: true })',
    },
    run: () =>
      outcomeOf(
        () => decodeTransaction(paymentBytes()),
        () => decodeTransaction(Uint8Array.of(...paymentBytes(), 0)),
      ),
  }),
  onProtocol({
    id: 'commitment/loose-flag',
    actor: 'client',
    targets: 'P7',
    story: 'A flag is the byte 2: true for who asks whether it is set, false for who asks whether it is 1.',
    rule: 'CNV-1',
    code: 'CODEC_MALFORMED',
    check: { file: CODEC, from: 'if (value > 1) throw', to: 'if (false) throw' },
    run: () =>
      outcomeOf(
        () => decodeTransaction(encodeTransaction(signed(jobBody()))),
        () => decodeTransaction(withLooseFlag()),
      ),
  }),
  onProtocol({
    id: 'commitment/second-spelling',
    actor: 'outsider',
    targets: 'B2',
    story:
      'A number of a model manifest is a NaN with a payload that does not survive reading it: two byte strings, two ids, one model.',
    rule: 'CNV-1',
    code: 'CODEC_NOT_CANONICAL',
    check: { file: CODEC, from: '!equalBytes(encode(value), own)', to: 'false' },
    run: () =>
      outcomeOf(
        () => decodeManifest(encodeManifest(unitModel().manifest)),
        () => decodeManifest(withSignallingNan()),
      ),
  }),
  onProtocol({
    id: 'commitment/oversized-encoding',
    actor: 'peer',
    targets: 'P8',
    story: 'A transaction is followed by padding beyond the limit, in the hope that all of it is parsed first.',
    rule: 'CNV-1',
    code: 'CODEC_TOO_LARGE',
    check: {
      file: CODEC,
      from: 'if (bytes.length > maxBytes) tooLarge(name, bytes.length, maxBytes)\n    // Not slice',
      to: '// Not slice',
    },
    run: () => {
      const padded = new Uint8Array(MAX_TRANSACTION_BYTES + 1)
      padded.set(paymentBytes())
      return outcomeOf(
        () => decodeTransaction(paymentBytes()),
        () => decodeTransaction(padded),
      )
    },
  }),
  onProtocol({
    id: 'commitment/malleable-signature',
    actor: 'outsider',
    targets: 'P2',
    story: "Somebody else's signature is written with s + L, which a verifier that reduces s takes for the same.",
    rule: 'CNV-3',
    code: 'SIGNATURE_INVALID',
    check: {
      file: protocolFile('keys.ts'),
      from: "if (!ed25519.verify(signature, taggedHash('signature', objectHash), publicKey, { zip215: true })) return false",
      to: '',
    },
    run: () => {
      const check = (transaction: Transaction): void => checkTransactionForm(presets.unit, CHAIN_ID, transaction)
      return outcomeOf(
        () => check(payment()),
        () => check({ ...payment(), signature: withLargerS(payment().signature) }),
      )
    },
  }),
  onProtocol({
    id: 'commitment/other-signature-other-sender',
    actor: 'outsider',
    targets: 'P3',
    story: 'A payment out of somebody else’s account carries the signature of the thief.',
    rule: 'ECO-1',
    code: 'SIGNATURE_INVALID',
    check: {
      file: protocolFile('ledger/apply-transaction.ts'),
      from: 'check(hasValidTransactionSignature(transaction),',
      to: 'check(true,',
    },
    run: () => {
      const ledger = funded()
      const stolen = { ...payment(), signature: signTransaction(payment(), BOB).signature }
      return outcomeOf(
        () => ledger.preview([paymentBytes()]),
        () => ledger.preview([encodeTransaction(stolen)]),
      )
    },
  }),
  onProtocol({
    id: 'commitment/wrong-chain-payment',
    actor: 'outsider',
    targets: 'P3',
    story:
      'A payment that its sender signed on a test network is shown on this one, where the same key has the same nonce.',
    rule: 'ECO-1',
    code: 'TX_CHAIN',
    check: {
      file: protocolFile('ledger/apply-transaction.ts'),
      from: 'equalBytes(transaction.chainId, chainId)',
      to: 'true',
    },
    run: () => {
      const ledger = funded()
      const body = transfer(accountOf(BOB.publicKey), 5n)
      return outcomeOf(
        () => ledger.preview([transactionOf(ALICE, 0n, body)]),
        () => ledger.preview([transactionOf(ALICE, 0n, body, 1000n, new Uint8Array(32).fill(2))]),
      )
    },
  }),
  onProtocol({
    id: 'commitment/wrong-chain-address',
    actor: 'outsider',
    targets: 'P3',
    story: 'A payer is given an address of the main network on a test network, whose key nobody holds there.',
    rule: 'CNV-5',
    code: 'ADDRESS_INVALID',
    check: { file: protocolFile('keys.ts'), from: 'decoded.prefix === prefix', to: 'true' },
    run: () => {
      const account = accountOf(BOB.publicKey)
      return outcomeOf(
        () => decodeAddress(encodeAddress(account, 'tncr'), 'tncr'),
        () => decodeAddress(encodeAddress(account, 'ncr'), 'tncr'),
      )
    },
  }),
]
