/** The effect of one transaction on the state (ECO-1, BLK-3). */
import { bytesToHex, equalBytes } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { accountOf } from '../keys.ts'
import type { Params } from '../params/types.ts'
import {
  addAmount,
  credit,
  isBarred,
  readAccount,
  readRegistration,
  readUnbonding,
  writeAccount,
  writeRegistration,
  writeUnbonding,
} from './entries.ts'
import { type Forfeiture, forfeit, type ImmatureIndex } from './forfeit.ts'
import { ROLE_MINER, ROLE_VERIFIER, type Role } from './keys.ts'
import type { StateDraft } from './state.ts'
import { hasValidTransactionSignature, type Transaction, type TransactionBody } from './transactions.ts'

/** Proves equivocation (BLK-3) or throws TX_EQUIVOCATION or CODEC_*. The evidence is two encoded headers. */
export type EquivocationChecker = (evidenceA: Uint8Array, evidenceB: Uint8Array) => { readonly minerKey: Uint8Array }

/** What a transaction is applied to. */
export interface ApplyContext {
  readonly params: Params
  readonly chainId: Uint8Array
  /** Height of the block that contains the transaction. */
  readonly height: number
  readonly draft: StateDraft
  readonly checkEquivocation: EquivocationChecker
  /** Where a block's forfeitures look up immature amounts; one per block. */
  readonly immature: ImmatureIndex
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
 * Throws TX_*, SIGNATURE_INVALID and what the equivocation checker throws.
 */
export function applyTransaction(context: ApplyContext, transaction: Transaction): Forfeiture | undefined {
  const { params, draft } = context
  const { sender, nonce, fee, body } = transaction
  checkTransactionForm(params, context.chainId, transaction)
  const account = accountOf(sender)
  const before = readAccount(draft, account)
  check(nonce >= before.nonce, 'TX_NONCE_LOW', `nonce ${nonce} was used, the next is ${before.nonce}`)
  check(nonce === before.nonce, 'TX_NONCE_GAP', `nonce ${nonce} is ahead of the next, ${before.nonce}`)
  const cost = fee + spending(params, body)
  check(before.balance >= cost, 'TX_INSUFFICIENT_FUNDS', `${cost} grains are needed, ${before.balance} are matured`)
  const effect = prepare(context, sender, body)
  writeAccount(draft, account, { balance: before.balance - cost, nonce: before.nonce + 1n })
  return effect()
}

/** Grains that leave the sender's balance besides the fee. */
export function spending(params: Params, body: TransactionBody): bigint {
  switch (body.kind) {
    case 'transfer':
      return body.grains
    case 'minerRegister':
      return params.bonds.minerGrains
    case 'verifierRegister':
      return params.bonds.verifierGrains
    case 'unbond':
    case 'equivocation':
      return 0n
  }
}

/** Checks everything particular to the kind; the function it returns writes and cannot fail. */
function prepare(context: ApplyContext, sender: Uint8Array, body: TransactionBody): () => Forfeiture | undefined {
  const { draft, params } = context
  switch (body.kind) {
    case 'transfer':
      check(body.grains > 0n, 'TX_AMOUNT', 'a transfer moves at least one grain')
      return () => {
        credit(draft, body.to, body.grains)
        return undefined
      }
    case 'minerRegister':
      return prepareRegistration(context, ROLE_MINER, sender, params.bonds.minerGrains)
    case 'verifierRegister':
      return prepareRegistration(context, ROLE_VERIFIER, sender, params.bonds.verifierGrains)
    case 'unbond':
      return prepareUnbonding(context, body.role, sender)
    case 'equivocation': {
      const { minerKey } = context.checkEquivocation(body.evidenceA, body.evidenceB)
      check(!isBarred(draft, minerKey), 'TX_EQUIVOCATION', `${bytesToHex(minerKey)} is barred already`)
      return () => {
        const forfeiture = forfeit(draft, context.immature, minerKey, context.height)
        credit(draft, accountOf(sender), forfeiture.bounty)
        addAmount(draft, 'burned', forfeiture.burned)
        return forfeiture
      }
    }
  }
}

function prepareRegistration(context: ApplyContext, role: Role, publicKey: Uint8Array, bond: bigint): () => undefined {
  const { draft, height } = context
  check(!isBarred(draft, publicKey), 'TX_REGISTRATION', 'the key is barred')
  check(
    readRegistration(draft, role, publicKey) === undefined,
    'TX_REGISTRATION',
    'the key is registered in this role already, or its bond has not returned yet',
  )
  return () => {
    writeRegistration(draft, role, publicKey, { bond, registeredHeight: height, unbondingHeight: 0 })
    return undefined
  }
}

function prepareUnbonding(context: ApplyContext, role: Role, publicKey: Uint8Array): () => undefined {
  const { draft, params, height } = context
  const registration = readRegistration(draft, role, publicKey)
  if (registration === undefined) throw new ProtocolError('TX_REGISTRATION', 'the key is not registered in this role')
  check(registration.unbondingHeight === 0, 'TX_REGISTRATION', 'the bond is on its way back already')
  const unbondingHeight = height + params.bonds.unbondingBlocks
  return () => {
    writeRegistration(draft, role, publicKey, { ...registration, unbondingHeight })
    writeUnbonding(draft, unbondingHeight, [...readUnbonding(draft, unbondingHeight), { role, publicKey }])
    return undefined
  }
}
