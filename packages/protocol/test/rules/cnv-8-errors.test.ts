/**
 * CNV-8: an error is data: a stable code, and a verdict for whoever sent the input. `reject` says that it is provably bad, `ignore` that it may
 * be valid later or elsewhere, which is no fault of the sender.
 *
 *   ProtocolError { code: 'BLOCK_TIME_FUTURE', verdict: 'ignore', message: 'BLOCK_TIME_FUTURE: time ... is more than ... ahead' }
 */
import { expect, test } from 'vitest'
import { check, ERROR_VERDICTS, type ErrorCode, ProtocolError } from '../../src/index.ts'

test('exactly these codes may be no fault of the sender', () => {
  const ignored = (Object.keys(ERROR_VERDICTS) as ErrorCode[]).filter((code) => ERROR_VERDICTS[code] === 'ignore')
  expect(ignored.sort()).toEqual([
    'ACCUSATION_EARLY',
    'ACCUSATION_KNOWN',
    'ACCUSATION_UNCOMMITTED',
    'ASK_MINER',
    'AUDIT_UNIT',
    'BLOCK_CHAIN',
    'BLOCK_PARENT_UNKNOWN',
    'BLOCK_TIME_FUTURE',
    'BLOCK_TOO_MANY_PROOFS',
    'CHALLENGE_DOUBLE',
    'CHALLENGE_LIMIT',
    'CHALLENGE_SENDER',
    'CHALLENGE_WINDOW',
    'EPOCH_FULL',
    'EPOCH_VERIFIER',
    'EPOCH_WINDOW',
    'JOB_BOOK_FULL',
    'JOB_EXPIRED',
    'JOB_EXPIRY_TOO_FAR',
    'MODEL_UNSUPPORTED',
    'PLANT_FOUND',
    'PLANT_FULL',
    'PLANT_MINER',
    'PLANT_UNIT',
    'PLANT_WINDOW',
    'RECEIPT_BRANCH',
    'RECEIPT_DOUBLE',
    'RECEIPT_JOB',
    'RECEIPT_MINER',
    'RECEIPT_UNASSIGNED',
    'RECEIPT_WINDOW',
    'RESPONSE_UNASKED',
    'TX_INSUFFICIENT_FUNDS',
    'TX_NONCE_GAP',
    'VERDICT_DELIVERY',
    'VERDICT_DOUBLE',
    'VERDICT_UNKNOWN',
    'VERDICT_VERIFIER',
  ])
})

test('an error carries its code, its verdict and a message for people that begins with the code', () => {
  const late = new ProtocolError('BLOCK_TIME_FUTURE', 'too early')
  expect([late.code, late.verdict, late.message]).toEqual([
    'BLOCK_TIME_FUTURE',
    'ignore',
    'BLOCK_TIME_FUTURE: too early',
  ])
  expect(new ProtocolError('BLOCK_BEACON', 'x', { cause: late })).toMatchObject({ verdict: 'reject', cause: late })
})

test('check throws only where the condition does not hold', () => {
  check(true, 'BLOCK_BEACON', 'nothing')
  expect(() => check(false, 'BLOCK_BEACON', 'something')).toThrow(ProtocolError)
})
