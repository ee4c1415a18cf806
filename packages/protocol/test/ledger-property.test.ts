import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cumulativeEmission } from '../src/emission/subsidy.ts'
import { ProtocolError } from '../src/errors.ts'
import { accountOf, type KeyPair } from '../src/keys.ts'
import { ROLE_MINER, ROLE_VERIFIER } from '../src/ledger/keys.ts'
import type { TransactionBody } from '../src/ledger/transactions.ts'
import { stateRootOf } from '../src/lthash.ts'
import type { Params } from '../src/params/types.ts'
import { evidenceAgainst, FAUCET, keysOf, TEST_PARAMS, TestLedger, transactionOf, transfer } from './ledger-fixture.ts'

/** The faucet and four others; each may send, receive, mine, register, equivocate. */
const ACTORS: readonly KeyPair[] = [FAUCET, keysOf(1), keysOf(2), keysOf(3), keysOf(4)]

/** Everything that the ledger does, in a few blocks: cheap bonds, short windows, a team, a fast release. */
const PARAMS: Params = {
  ...TEST_PARAMS,
  emission: {
    ...TEST_PARAMS.emission,
    curveBlocks: 20,
    rampBlocks: 3,
    teamSharePpm: 70_000,
    teamAccount: 'ab'.repeat(20),
  },
  bonds: { minerGrains: 5003n, verifierGrains: 7001n, unbondingBlocks: 4 },
}

const actor = fc.nat(ACTORS.length - 1)
const grains = fc.oneof(fc.bigInt(0n, 20_000n), fc.bigInt(0n, (1n << 64n) - 1n))
const body: fc.Arbitrary<TransactionBody> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(actor, grains).map(([to, sum]) => transfer(accountOf(ACTORS[to]!.publicKey), sum)) },
  { weight: 3, arbitrary: fc.constantFrom({ kind: 'minerRegister' } as const, { kind: 'verifierRegister' } as const) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(ROLE_MINER, ROLE_VERIFIER).map((role) => ({ kind: 'unbond', role }) as const),
  },
  {
    weight: 1,
    arbitrary: actor.map((i) => ({ kind: 'equivocation', ...evidenceAgainst(ACTORS[i]!.publicKey) }) as const),
  },
)
const intent = fc.record({
  sender: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: actor }),
  nonceOffset: fc.constantFrom(0n, 0n, 0n, 0n, 0n, 1n, -1n),
  fee: fc.constantFrom(1000n, 1000n, 1001n, 4000n, 999n),
  body,
})
const plan = fc.array(fc.record({ miner: actor, intents: fc.array(intent, { maxLength: 4 }) }), { maxLength: 14 })

/** Applies a block, leaving out transactions (and then the miner) that make it invalid, as a miner would. */
function playBlock(
  ledger: TestLedger,
  miner: KeyPair,
  intents: (typeof intent extends fc.Arbitrary<infer T> ? T : never)[],
): void {
  const included: Uint8Array[] = []
  const sent = new Map<KeyPair, bigint>()
  for (const { sender, nonceOffset, fee, body: payload } of intents) {
    const keys = ACTORS[sender]!
    const next = ledger.nonce(keys) + (sent.get(keys) ?? 0n)
    const nonce = next + nonceOffset < 0n ? 0n : next + nonceOffset
    const bytes = transactionOf(keys, nonce, payload, fee)
    try {
      ledger.preview([...included, bytes], miner)
      included.push(bytes)
      sent.set(keys, (sent.get(keys) ?? 0n) + 1n)
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
    }
  }
  try {
    ledger.block(included, miner)
  } catch (cause) {
    if (!(cause instanceof ProtocolError) || cause.code !== 'BLOCK_KEY_BARRED') throw cause
    ledger.block(included, keysOf(99))
  }
}

test('property (P3, P7): random valid and invalid transactions keep the supply exact at every height, undo is exact', () => {
  const seen = { forfeited: 0, bonded: 0, returning: 0 }
  fc.assert(
    fc.property(plan, (blocks) => {
      const ledger = new TestLedger(PARAMS)
      const history: { entries: Map<string, Uint8Array>; ltHash: Uint16Array }[] = []
      for (const { miner, intents } of blocks) {
        history.push({ entries: new Map(ledger.entries), ltHash: ledger.ltHash })
        playBlock(ledger, ACTORS[miner]!, intents)
        const audit = ledger.audit()
        expect(audit.held).toBe(audit.created)
        expect(audit.emitted).toBe(cumulativeEmission(PARAMS, ledger.height))
        expect(audit.faucet).toBe(PARAMS.emission.faucetGrains)
        if (audit.burned > 0n) seen.forfeited++
        if (audit.bonds > 0n) seen.bonded++
        if (audit.unbonding > 0n) seen.returning++
      }
      expect(stateRootOf(ledger.recomputedLtHash())).toEqual(stateRootOf(ledger.ltHash))
      for (const expected of history.reverse()) {
        expect(ledger.revert()).toEqual(expected.ltHash)
        expect(new Map([...ledger.entries].sort())).toEqual(new Map([...expected.entries].sort()))
      }
    }),
    { numRuns: 30, seed: 20_270_101 },
  )
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(0)
})

test('supply stays exact over hundreds of blocks with every kind of transaction', () => {
  const ledger = new TestLedger(PARAMS)
  const [, alice, bob, carol] = ACTORS as [KeyPair, KeyPair, KeyPair, KeyPair, KeyPair]
  ledger.block(
    [alice, bob, carol].map((keys, i) =>
      transactionOf(FAUCET, BigInt(i), transfer(accountOf(keys.publicKey), 10n ** 9n)),
    ),
  )
  const script: [height: number, keys: KeyPair, nonce: bigint, body: TransactionBody][] = [
    [5, alice, 0n, { kind: 'minerRegister' }],
    [6, alice, 1n, { kind: 'verifierRegister' }],
    [7, bob, 0n, { kind: 'minerRegister' }],
    [30, alice, 2n, { kind: 'unbond', role: ROLE_VERIFIER }],
    [50, carol, 0n, { kind: 'equivocation', ...evidenceAgainst(bob.publicKey) }],
    [51, carol, 1n, { kind: 'equivocation', ...evidenceAgainst(alice.publicKey) }],
    [60, alice, 3n, transfer(accountOf(carol.publicKey), 77n)],
  ]
  for (let height = 2; height <= 300; height++) {
    const transactions = script
      .filter(([at]) => at === height)
      .map(([, keys, nonce, payload]) => transactionOf(keys, nonce, payload))
    expect(transactions).toHaveLength(script.filter(([at]) => at === height).length)
    ledger.block(transactions, height < 49 && height % 2 === 0 ? alice : carol)
    const audit = ledger.audit()
    expect(audit.held).toBe(audit.created)
    expect(audit.emitted).toBe(cumulativeEmission(PARAMS, height))
  }
  expect(ledger.audit().burned > 0n).toBe(true)
})
