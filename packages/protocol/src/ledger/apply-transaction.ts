/** The effect of one transaction on the state (ECO-1, BLK-3). */
import { prepareAccusation } from '../audit/accusations.ts'
import type { BlockAudits, StepModel } from '../audit/block-audits.ts'
import { prepareChallenge, prepareResponse } from '../audit/challenges.ts'
import { prepareFraudProof } from '../audit/fraud-proof.ts'
import { preparePlantCommit, preparePlantReveal } from '../audit/plants.ts'
import { prepareVerifierCommit, prepareVerifierReveal } from '../audit/secrets.ts'
import { prepareVerdict, prepareVerdictProof } from '../audit/verdicts.ts'
import { bytesToHex, equalBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import { preparePostAsk } from '../market/asks.ts'
import { readVerifiers, writeVerifiers } from '../market/entries.ts'
import type { MarketContext, MarketRules } from '../market/models.ts'
import { checkJobForm, preparePostJob } from '../market/post-job.ts'
import { prepareReceipt } from '../market/receipts.ts'
import type { Params } from '../params/types.ts'
import { barKey, leaveRole } from './bar-key.ts'
import {
  credit,
  isBarred,
  readAccount,
  readRegistration,
  readUnbonding,
  writeAccount,
  writeRegistration,
  writeUnbonding,
} from './entries.ts'
import type { Forfeiture, ImmatureIndex } from './forfeit.ts'
import { ROLE_MINER, ROLE_VERIFIER, type Role } from './keys.ts'
import { hasValidTransactionSignature, type Transaction, type TransactionBody, transactionId } from './transactions.ts'

/** Proves equivocation (BLK-3) or throws TX_EQUIVOCATION or CODEC_*. The evidence is two encoded headers. */
export type EquivocationChecker = (evidenceA: Uint8Array, evidenceB: Uint8Array) => { readonly minerKey: Uint8Array }

/** What a transaction is applied to; `height` is that of the block that contains it. */
export interface ApplyContext extends MarketContext {
  readonly chainId: Uint8Array
  readonly checkEquivocation: EquivocationChecker
  /** Where a block's forfeitures look up immature amounts; one per block. */
  readonly immature: ImmatureIndex
  /** Key of the block's miner: its own block cannot bar it. */
  readonly minerKey: Uint8Array
  /** Runs steps of registered models again (AUD-4). */
  readonly stepModel: StepModel
  /** Counts and results of the block's audits. */
  readonly audits: BlockAudits
}

/** What must hold whatever the state: chain, least fee, signature. Throws TX_CHAIN, TX_FEE_TOO_LOW, SIGNATURE_INVALID. */
export function checkTransactionForm(params: Params, chainId: Uint8Array, transaction: Transaction): void {
  check(equalBytes(transaction.chainId, chainId), 'TX_CHAIN', 'the transaction belongs to another chain')
  const least = params.fees.minTransactionGrains
  check(transaction.fee >= least, 'TX_FEE_TOO_LOW', `a fee of ${transaction.fee} grains is below ${least}`)
  check(hasValidTransactionSignature(transaction), 'SIGNATURE_INVALID', 'the transaction is not signed by its sender')
}

/**
 * Applies one transaction: form, nonce, balance, then its effect. The fee leaves the sender's balance; the block's
 * coinbase pays it out. On any error the draft is as before.
 * Throws TX_*, JOB_*, ASK_*, RECEIPT_*, SIGNATURE_INVALID, what the equivocation checker throws, and what the `prepare` functions
 * of chapter 11 throw.
 */
export function applyTransaction(context: ApplyContext, transaction: Transaction): Forfeiture | undefined {
  const { params, draft } = context
  const { sender, nonce, fee, body } = transaction
  checkTransactionForm(params, context.chainId, transaction)
  const account = accountOf(sender)
  const before = readAccount(draft, account)
  check(nonce >= before.nonce, 'TX_NONCE_LOW', `nonce ${nonce} was used, the next is ${before.nonce}`)
  check(nonce === before.nonce, 'TX_NONCE_GAP', `nonce ${nonce} is ahead of the next, ${before.nonce}`)
  const cost = fee + spending(context, body)
  check(before.balance >= cost, 'TX_INSUFFICIENT_FUNDS', `${cost} grains are needed, ${before.balance} are matured`)
  const effect = prepare(context, transaction)
  writeAccount(draft, account, { balance: before.balance - cost, nonce: before.nonce + 1n })
  return effect()
}

/** Grains that leave the sender's balance besides the fee. Throws what {@link checkJobForm} throws for a job. */
export function spending(rules: MarketRules, body: TransactionBody): bigint {
  const { params } = rules
  switch (body.kind) {
    case 'transfer':
      return body.grains
    case 'minerRegister':
      return params.bonds.minerGrains
    case 'verifierRegister':
      return params.bonds.verifierGrains
    case 'job':
      return checkJobForm(rules, body).escrow
    case 'accusation':
      return params.audits.accusationDepositGrains
    case 'challenge':
      return body.bond
    case 'unbond':
    case 'equivocation':
    case 'receipt':
    case 'ask':
    case 'fraudProof':
    case 'verdictProof':
    case 'verifierCommit':
    case 'verifierReveal':
    case 'verdict':
    case 'response':
    case 'plantCommit':
    case 'plantReveal':
      return 0n
  }
}

/** Checks everything particular to the kind; the function it returns writes and cannot fail. */
function prepare(context: ApplyContext, transaction: Transaction): () => Forfeiture | undefined {
  const { draft, params } = context
  const { sender, body } = transaction
  switch (body.kind) {
    case 'transfer':
      check(body.grains > 0n, 'TX_AMOUNT', 'a transfer moves at least one grain')
      return just(() => credit(draft, body.to, body.grains))
    case 'minerRegister':
      return just(prepareRegistration(context, ROLE_MINER, sender, params.bonds.minerGrains))
    case 'verifierRegister':
      return just(prepareRegistration(context, ROLE_VERIFIER, sender, params.bonds.verifierGrains))
    case 'unbond':
      return just(prepareUnbonding(context, body.role, sender))
    case 'job':
      return just(preparePostJob(context, transactionId(transaction), sender, body))
    case 'ask':
      return just(preparePostAsk(context, sender, body))
    case 'receipt':
      return just(prepareReceipt(context, sender, body))
    case 'equivocation': {
      const { minerKey } = context.checkEquivocation(body.evidenceA, body.evidenceB)
      check(!isBarred(draft, minerKey), 'TX_EQUIVOCATION', `${bytesToHex(minerKey)} is barred already`)
      return () => barKey(context, minerKey, accountOf(sender))
    }
    case 'accusation':
      return just(prepareAccusation(context, sender, body))
    case 'fraudProof':
      return prepareFraudProof(context, sender, body)
    case 'verdictProof':
      return just(prepareVerdictProof(context, sender, body))
    case 'verifierCommit':
      return just(prepareVerifierCommit(context, sender, body))
    case 'verifierReveal':
      return just(prepareVerifierReveal(context, sender, body))
    case 'verdict':
      return just(prepareVerdict(context, sender, body))
    case 'challenge':
      return just(prepareChallenge(context, sender, body))
    case 'response':
      return just(prepareResponse(context, body))
    case 'plantCommit':
      return just(preparePlantCommit(context, sender, body))
    case 'plantReveal':
      return just(preparePlantReveal(context, sender, body))
  }
}

/** An effect that forfeits nothing. */
function just(effect: () => void): () => undefined {
  return () => {
    effect()
    return undefined
  }
}

function prepareRegistration(context: ApplyContext, role: Role, publicKey: Uint8Array, bond: bigint): () => void {
  const { draft, height } = context
  check(!isBarred(draft, publicKey), 'TX_REGISTRATION', 'the key is barred')
  check(
    readRegistration(draft, role, publicKey) === undefined,
    'TX_REGISTRATION',
    'the key is registered in this role already, or its bond has not returned yet',
  )
  return () => {
    writeRegistration(draft, role, publicKey, { bond, registeredHeight: height, unbondingHeight: 0 })
    if (role === ROLE_VERIFIER) writeVerifiers(draft, readVerifiers(draft) + 1)
  }
}

function prepareUnbonding(context: ApplyContext, role: Role, publicKey: Uint8Array): () => void {
  const { draft, params, height } = context
  const registration = readRegistration(draft, role, publicKey)
  if (registration === undefined) throw new ProtocolError('TX_REGISTRATION', 'the key is not registered in this role')
  check(registration.unbondingHeight === 0, 'TX_REGISTRATION', 'the bond is on its way back already')
  const unbondingHeight = height + params.bonds.unbondingBlocks
  return () => {
    leaveRole(context, role, publicKey)
    writeRegistration(draft, role, publicKey, { ...registration, unbondingHeight })
    writeUnbonding(draft, unbondingHeight, [...readUnbonding(draft, unbondingHeight), { role, publicKey }])
  }
}
