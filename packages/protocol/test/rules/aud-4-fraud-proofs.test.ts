/**
 * AUD-4: a wrong step of a delivered unit is shown with its opening; every node runs that one step again.
 *
 *   accusation (hash)  ->  some blocks  ->  fraud proof  ->  wrong: miner barred, client paid back, bounty
 *                                                        ->  right: the accuser's deposit burns
 *
 * That the step checks find whatever is forged: packages/protocol/test/step-fraud.test.ts.
 */
import { describe, expect, test } from 'vitest'
import {
  accountOf,
  type FraudProof,
  isBarred,
  ProtocolError,
  partOf,
  promptFee,
  ROLE_MINER,
  readAmount,
  readAuditedUnit,
  readJob,
  readRegistration,
  type StepOpening,
  type StepRef,
} from '../../src/index.ts'
import { ACCUSER, AUDIT_PARAMS, audited, auditParams, FORGED, forged, fraudProof, HONEST } from '../audit-fixture.ts'
import { MINER, MODEL } from '../ledger-fixture.ts'
import { CLIENT, jobBody } from '../market-fixture.ts'
import { accepted, flipped, rejected } from './verbs.ts'

const { accusationDepositGrains, accusationDelayBlocks, accusationBlocks, bountyPpm, maxProofsPerBlock } =
  AUDIT_PARAMS.audits
const { minerGrains } = AUDIT_PARAMS.bonds
const SHAPE: StepRef = { kind: 'shape', layer: 0, group: 0, position: 0 }

describe('a proof of a wrong step', () => {
  test('before the settlement: the job pays its client back, the accuser has a tenth of the bond, the rest burns', () => {
    const ledger = audited()
    const { jobId, kept, miner } = ledger.deliver(forged)
    const { held, promptBurn } = ledger.job(jobId)
    const proof = fraudProof(jobId, kept.open(FORGED))
    ledger.accuse(proof)
    const before = {
      client: ledger.balance(CLIENT),
      accuser: ledger.balance(ACCUSER),
      burned: readAmount(ledger, 'burned'),
    }
    const { summary } = ledger.block([ledger.tx(ACCUSER, proof)])
    const bounty = partOf(minerGrains, bountyPpm)
    expect(bounty).toBe(minerGrains / 10n)
    expect(ledger.balance(CLIENT)).toBe(before.client + held)
    expect(ledger.balance(ACCUSER)).toBe(before.accuser + accusationDepositGrains + bounty - 1000n)
    expect(readAmount(ledger, 'burned')).toBe(before.burned + minerGrains - bounty)
    expect(promptBurn).toBeGreaterThan(0n)
    expect(isBarred(ledger, miner.publicKey)).toBe(true)
    expect(readRegistration(ledger, ROLE_MINER, miner.publicKey)).toBeUndefined()
    expect(readJob(ledger, jobId)).toBeUndefined()
    expect(summary.audits.condemned).toEqual([{ jobId, minerKey: miner.publicKey, reason: 'proof', returned: held }])
    expect(summary.forfeitures).toEqual([
      {
        minerKey: miner.publicKey,
        immature: 0n,
        bonds: minerGrains,
        bounty,
        returned: 0n,
        burned: minerGrains - bounty,
      },
    ])
    // Its settlement passes it over, and nothing of it stays in the end.
    ledger.blocks(AUDIT_PARAMS.block.maturityBlocks)
    expect([...ledger.entries.keys()].filter((key) => /^(audit|accusation|units|prompt|job)/.test(key))).toEqual([])
    expect(ledger.audit().held).toBe(ledger.audit().created)
  })

  test('after the settlement: what is immature goes back to the client, what burned or went to verifiers stays', () => {
    const ledger = audited()
    const { jobId, kept, miner } = ledger.deliver(forged)
    ledger.blocks(AUDIT_PARAMS.jobs.auditWindowBlocks)
    const { paidGrains, endHeight } = readAuditedUnit(ledger, jobId)!
    expect(readJob(ledger, jobId)).toBeUndefined()
    expect(paidGrains).toBeGreaterThan(0n)
    const client = ledger.balance(CLIENT)
    const { summary } = ledger.prove(fraudProof(jobId, kept.open(FORGED)))
    expect(ledger.balance(CLIENT)).toBe(client + paidGrains)
    expect(summary.forfeitures[0]).toMatchObject({ immature: paidGrains, returned: paidGrains })
    const before = ledger.balance(miner)
    ledger.toHeight(endHeight + 1)
    expect(ledger.balance(miner)).toBe(before)
  })

  test('a winning paid unit has a receipt like any other, and its coinbase is forfeited too', () => {
    const ledger = audited()
    const jobId = ledger.post({ expiryHeight: ledger.height + 30 })
    ledger.block()
    const change = ledger.paid(jobId)
    const miner = ledger.rank(jobId, 0)
    const traceRoot = new Uint8Array(32).fill(1)
    ledger.block([ledger.tx(miner, ledger.receiptBody(jobId, { traceRoot }))], miner, change)
    expect(readAuditedUnit(ledger, jobId)).toMatchObject({ minerKey: miner.publicKey, traceRoot })
  })

  test('the first valid proof wins', () => {
    const ledger = audited()
    const { jobId, kept } = ledger.deliver(forged)
    const proof = fraudProof(jobId, kept.open(FORGED))
    ledger.accuse(proof)
    ledger.accuse(proof, CLIENT)
    ledger.block([ledger.tx(ACCUSER, proof)])
    rejected('AUDIT_UNIT', () => ledger.preview([ledger.tx(CLIENT, proof)]))
    ledger.forget()
    // The other accuser told the truth as well: its deposit returns.
    const before = ledger.balance(CLIENT)
    ledger.blocks(accusationBlocks)
    expect(ledger.balance(CLIENT)).toBe(before + accusationDepositGrains)
  })

  test('until the payment matures, and not later', () => {
    for (const spare of [0, 1]) {
      const ledger = audited()
      const { jobId, kept } = ledger.deliver(forged)
      const end = ledger.height + AUDIT_PARAMS.block.maturityBlocks
      const proof = fraudProof(jobId, kept.open(FORGED))
      ledger.toHeight(end - 2 - accusationDelayBlocks + spare)
      ledger.accuse(proof)
      const show = (): unknown => ledger.block([ledger.tx(ACCUSER, proof)])
      if (spare === 0) accepted(show)
      else rejected('AUDIT_UNIT', show)
    }
  })

  test('an answer that is not in the trace, by any step that reads the tokens', () => {
    const steps: StepRef[] = [
      SHAPE,
      { ...SHAPE, kind: 'input' },
      { ...SHAPE, kind: 'embed' },
      { ...SHAPE, kind: 'head', position: 15 },
    ]
    for (const ref of steps) {
      const ledger = audited()
      const { jobId, kept } = ledger.deliver(undefined, {}, (tokens) => [
        ...tokens.slice(0, -1),
        (tokens.at(-1)! + 1) % 256,
      ])
      const { summary } = ledger.prove(fraudProof(jobId, kept.open(ref)))
      expect(summary.audits.condemned).toHaveLength(1)
    }
  })

  test('an answer that is shorter than the trace, by any step at all', () => {
    const ledger = audited()
    const { jobId, kept } = ledger.deliver(undefined, {}, (tokens) => [...tokens.slice(0, 1), MODEL.config.eosToken])
    expect(ledger.prove(fraudProof(jobId, kept.open(HONEST))).summary.audits.condemned).toHaveLength(1)
  })
})

describe('a false accusation', () => {
  test('costs its sender the deposit, and the miner nothing (P5)', () => {
    const ledger = audited()
    const { jobId, kept, miner } = ledger.deliver()
    for (const ref of [SHAPE, { ...SHAPE, kind: 'input' as const }, HONEST, FORGED]) {
      const proof = fraudProof(jobId, kept.open(ref))
      ledger.accuse(proof)
      const before = { accuser: ledger.balance(ACCUSER), burned: readAmount(ledger, 'burned') }
      const { summary } = ledger.block([ledger.tx(ACCUSER, proof)])
      expect(summary.audits.falseAccusations).toEqual([{ jobId, sender: ACCUSER.publicKey }])
      expect(summary.forfeitures).toEqual([])
      expect(ledger.balance(ACCUSER)).toBe(before.accuser - 1000n)
      const settled = summary.settled.reduce((sum, { burned }) => sum + burned, 0n)
      expect(readAmount(ledger, 'burned')).toBe(before.burned + accusationDepositGrains + settled)
      expect(isBarred(ledger, miner.publicKey)).toBe(false)
    }
  })

  test('is not even a transaction if its opening proves nothing', () => {
    const ledger = audited()
    const { jobId, kept } = ledger.deliver(forged)
    const good = kept.open(FORGED)
    const [first, ...rest] = good.subtrees
    const last = rest.at(-1)!
    const bad: [code: Parameters<typeof rejected>[0], opening: StepOpening][] = [
      ['STEP_OPENING', { ...good, subtrees: [] }],
      ['STEP_OPENING', { ...good, ref: { ...FORGED, kind: 'proj' } }],
      ['STEP_OUT_OF_RANGE', { ...good, ref: { ...FORGED, position: 99 } }],
      [
        'MERKLE_ROOT_MISMATCH',
        { ...good, subtrees: [first!, ...rest.slice(0, -1), { ...last, root: flipped(last.root) }] },
      ],
      ['MERKLE_PROOF_LENGTH', { ...good, topProof: good.topProof.slice(1) }],
    ]
    for (const [code, opening] of bad) {
      const proof = fraudProof(jobId, opening)
      ledger.accuse(proof)
      rejected(code, () => ledger.preview([ledger.tx(ACCUSER, proof)]))
      ledger.forget()
    }
  })
})

describe('commit and reveal (AUD-6)', () => {
  const setUp = (): { ledger: ReturnType<typeof audited>; proof: FraudProof } => {
    const ledger = audited()
    const { jobId, kept } = ledger.deliver(forged)
    return { ledger, proof: fraudProof(jobId, kept.open(FORGED)) }
  }

  test('nobody shows a proof that it has not committed to, with its own key, long enough before', () => {
    const { ledger, proof } = setUp()
    const show = (keys = ACCUSER, change: Partial<FraudProof> = {}) => {
      try {
        ledger.preview([ledger.tx(keys, { ...proof, ...change })])
      } finally {
        ledger.forget()
      }
    }
    rejected('ACCUSATION_UNCOMMITTED', show)
    ledger.accuse(proof)
    rejected('ACCUSATION_UNCOMMITTED', () => show(CLIENT))
    rejected('ACCUSATION_UNCOMMITTED', () => show(ACCUSER, { salt: new Uint8Array(32) }))
    accepted(show)
    ledger.revert()
    if (accusationDelayBlocks > 1) rejected('ACCUSATION_EARLY', show, `from height ${ledger.height + 2} on`)
  })

  test('one commitment of a sender is one deposit; unused it returns when its time is over', () => {
    const { ledger, proof } = setUp()
    const before = ledger.balance(ACCUSER)
    ledger.accuse(proof)
    expect(ledger.balance(ACCUSER)).toBe(before - 1000n - accusationDepositGrains)
    expect(ledger.audit().deposits).toBe(accusationDepositGrains)
    rejected('ACCUSATION_KNOWN', () => ledger.accuse(proof))
    ledger.forget()
    accepted(() => ledger.accuse(proof, CLIENT))
    ledger.blocks(accusationBlocks)
    rejected('ACCUSATION_UNCOMMITTED', () => ledger.preview([ledger.tx(ACCUSER, proof)]))
    expect(ledger.balance(ACCUSER)).toBe(before - 1000n)
  })

  test('proofs of a block are counted, false ones too', () => {
    const ledger = audited()
    const { jobId, kept } = ledger.deliver()
    const proofs = Array.from({ length: maxProofsPerBlock + 1 }, (_, position) =>
      fraudProof(jobId, kept.open({ ...HONEST, position })),
    )
    ledger.accuse(proofs)
    const show = (count: number): void => {
      try {
        ledger.preview(proofs.slice(0, count).map((proof) => ledger.tx(ACCUSER, proof)))
      } finally {
        ledger.forget()
      }
    }
    accepted(() => show(maxProofsPerBlock))
    rejected('BLOCK_TOO_MANY_PROOFS', () => show(maxProofsPerBlock + 1), `transaction ${maxProofsPerBlock}`)
  })

  test('a block cannot bar its own miner', () => {
    const ledger = audited()
    const { jobId, kept, miner } = ledger.deliver(forged)
    const proof = fraudProof(jobId, kept.open(FORGED))
    ledger.accuse(proof)
    const transaction = ledger.tx(ACCUSER, proof)
    rejected('BLOCK_KEY_BARRED', () => ledger.preview([transaction], miner), 'transaction 0')
    accepted(() => ledger.preview([transaction], MINER))
  })

  test('where audits are off there is nothing to accuse', () => {
    const ledger = audited(auditParams('audits.mode=off'))
    const { jobId, kept } = ledger.deliver(forged)
    expect(readAuditedUnit(ledger, jobId)).toBeUndefined()
    rejected('AUDIT_OFF', () => ledger.accuse(fraudProof(jobId, kept.open(FORGED))))
    ledger.forget()
    rejected('AUDIT_OFF', () => ledger.block([ledger.tx(ACCUSER, fraudProof(jobId, kept.open(FORGED)))]))
  })
})

test('miner, client and accuser in one hand lose more than nine tenths of the bond by accusing themselves', () => {
  for (const wait of [0, AUDIT_PARAMS.jobs.auditWindowBlocks]) {
    const ledger = audited()
    const start = ledger.height
    const { jobId, kept, miner } = ledger.deliver(forged)
    const wealth = (): bigint =>
      [CLIENT, ACCUSER, miner].reduce((sum, keys) => sum + ledger.balance(keys), 0n) +
      (readRegistration(ledger, ROLE_MINER, miner.publicKey)?.bond ?? 0n)
    const { price, promptBurn, held } = ledger.job(jobId)
    expect(held + promptBurn).toBeGreaterThan(
      promptFee(AUDIT_PARAMS, MODEL.config, jobBody().promptTokens.length, price),
    )
    ledger.blocks(wait)
    const before = wealth() + held
    ledger.prove(fraudProof(jobId, kept.open(FORGED)))
    ledger.toHeight(start + 3 * AUDIT_PARAMS.block.maturityBlocks)
    expect(before - wealth()).toBeGreaterThanOrEqual((9n * minerGrains) / 10n)
    expect(accountOf(miner.publicKey)).toHaveLength(20)
    expect(() => ledger.block([], miner)).toThrow(ProtocolError)
  }
})
