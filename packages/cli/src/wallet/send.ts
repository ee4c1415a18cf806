/** Payments: funds and nonce checked, signed, handed to a node, and followed into the chain. */
import { setTimeout as delay } from 'node:timers/promises'
import type { TransactionView } from '@nacre/node'
import {
  type Account,
  isSilence,
  messageOf,
  readAccount,
  readTransaction,
  submitTransaction,
} from '@nacre/node/rpc-client'
import {
  bytesToHex,
  encodeTransaction,
  GRAINS_PER_NCR,
  hexToBytes,
  type KeyPair,
  type Params,
  signTransaction,
  transactionId,
} from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { formatNcr } from './amount.ts'
import type { WalletNetwork } from './network.ts'
import { type NonceRecord, paymentText } from './nonce-record.ts'

export interface Payment {
  readonly rpc: string
  readonly params: Params
  readonly network: WalletNetwork
  /** The payer's address. */
  readonly from: string
  readonly to: { readonly address: string; readonly account: Uint8Array }
  readonly grains: bigint
  readonly fee: bigint
  /** Undefined: after all that waits. */
  readonly nonce: bigint | undefined
  /** True where others pay from the same account: a nonce that one of them took meanwhile is replaced by the next. */
  readonly isShared: boolean
  /** What this wallet signed before; undefined for an account that is shared. */
  readonly record?: NonceRecord | undefined
  /** Whether it may take the place of something else that was signed with its nonce. */
  readonly replace?: boolean
  /** Whether it may be paid although the same was signed before, and nobody knows what became of it. */
  readonly again?: boolean
  /** Whether a fee may be as high as it is. */
  readonly force?: boolean
  /** Called once everything else is all right. */
  readonly unlock: () => Promise<KeyPair>
}

export interface Sent {
  readonly id: string
  readonly nonce: bigint
  /** The tip before it was sent: no earlier block can contain it. */
  readonly sinceHeight: number
}

/**
 * How often a nonce that another payment took meanwhile is replaced by the next. Only for shared accounts: each try signs one more
 * payment, and a node that lies could keep all of them and have them paid.
 */
const MAX_NONCE_TRIES = 5

/** Sends a payment. Throws CliError INSUFFICIENT_FUNDS, and the protocol's code if the node refuses it. */
export async function sendPayment(payment: Payment): Promise<Sent> {
  const { rpc, params, network, from, to, grains, fee, record, replace = false, again = false } = payment
  const least = params.fees.minTransactionGrains
  if (grains === 0n) throw new CliError('a payment moves at least one grain, 0.00000001 NCR', 2, 'AMOUNT_ZERO')
  if (fee < least)
    throw new CliError(`a fee of ${formatNcr(fee)} is too low: ${formatNcr(least)} is the least`, 2, 'FEE_TOO_LOW')
  checkFee(payment)
  const need = { grains, fee, nonce: payment.nonce }
  checkFunds(await readAccount(rpc, from, undefined), need)
  const keys = await payment.unlock()
  for (let tries = 1; ; tries++) {
    // Once more: a person at a prompt takes time.
    const account = await readAccount(rpc, from, undefined)
    checkFunds(account, need)
    const nonce = payment.nonce ?? account.nextNonce
    const body = { kind: 'transfer', to: to.account, grains } as const
    const transaction = signTransaction({ chainId: hexToBytes(network.chainId), nonce, fee, body }, keys)
    const id = bytesToHex(transactionId(transaction))
    const signed = { nonce, id, what: paymentText(grains, to.address) }
    // One that is no longer ahead the node refuses by itself.
    if (nonce >= account.nonce) record?.check(signed, { replace: replace || payment.nonce !== undefined, again })
    await record?.add(signed)
    const answer = await submitTransaction(rpc, encodeTransaction(transaction)).catch((error: unknown) => {
      throw new CliError(
        `it is not known whether the node took transaction ${id} in: ${messageOf(error)}. ` +
          `The same payment with --nonce ${nonce} cannot be made twice`,
        1,
        'NO_ANSWER',
      )
    })
    const state = 'error' in answer ? 'refused' : 'taken'
    // Where this fails, the record says less than is known.
    await record?.mark(id, state).catch(() => undefined)
    if (!('error' in answer)) return { id, nonce, sinceHeight: account.height }
    const { code, message } = answer.error
    if (code === 'TX_NONCE_LOW' && payment.isShared && payment.nonce === undefined && tries < MAX_NONCE_TRIES) continue
    const hint =
      payment.isShared || payment.nonce !== undefined
        ? ''
        : `. If you do not trust this node, try again with --nonce ${nonce} only: of two with one nonce, one is paid at most`
    throw new CliError(`the node refused the payment: ${message}${hint}`, 1, code)
  }
}

/** A fee is a mistake more often than a wish where it is more than this and more than a hundredth of the amount. */
const HIGH_FEE_GRAINS = GRAINS_PER_NCR

function checkFee({ grains, fee, force = false }: Payment): void {
  if (force || fee <= HIGH_FEE_GRAINS || fee * 100n <= grains) return
  throw new CliError(
    `a fee of ${formatNcr(fee)} for ${formatNcr(grains)} looks like a mistake: --force pays it all the same`,
    2,
    'FEE_TOO_HIGH',
  )
}

/** What a transaction takes away at most. */
export interface Need {
  readonly grains: bigint
  readonly fee: bigint
  /** Of one that waits and whose place it takes. */
  readonly nonce: bigint | undefined
}

/**
 * What a transaction and all that waits need must be there, and matured. Throws CliError INSUFFICIENT_FUNDS, which names the
 * faucet if the network has one for whoever pays.
 */
export function checkFunds(account: Account, { grains, fee, nonce }: Need, hasFaucet = false): void {
  const others = account.waiting.filter((each) => each.nonce !== nonce)
  const waiting = others.reduce((sum, { cost }) => sum + cost, 0n)
  const available = account.balance - waiting
  if (grains + fee <= available) return
  const reasons = [
    `insufficient funds: ${formatNcr(grains + fee)} are needed (${formatNcr(grains)} and a fee of ${formatNcr(fee)}), ` +
      `${formatNcr(available > 0n ? available : 0n)} can be spent`,
  ]
  if (waiting > 0n) reasons.push(`${formatNcr(waiting)} are on their way out in ${others.length} waiting`)
  const immature = account.immature.reduce((sum, each) => sum + each.grains, 0n)
  if (immature > 0n) reasons.push(`${formatNcr(immature)} mature by block ${account.immature.at(-1)!.height}`)
  if (hasFaucet) reasons.push('"wallet faucet" gives coins of this test network')
  throw new CliError(reasons.join('; '), 1, 'INSUFFICIENT_FUNDS')
}

export interface FollowOptions {
  readonly rpc: string
  readonly params: Params
  readonly from: string
  readonly sent: Sent
  /** Blocks that must vouch for it, its own included. */
  readonly depth: number
  readonly timeoutMs: number
  readonly onChange: (view: TransactionView) => void
  readonly signal: AbortSignal
}

type Included = Extract<TransactionView, { status: 'included' }>

/** How long a node may be silent while a payment is followed. */
const SILENCE_MS = 30_000

/**
 * Follows a payment until it is `depth` deep. Throws CliError DROPPED or REPLACED when it cannot come any more, TIMEOUT,
 * INTERRUPTED.
 */
export async function followPayment(options: FollowOptions): Promise<Included> {
  const { rpc, params, sent, depth, signal } = options
  const { id, sinceHeight } = sent
  const pollMs = Math.min(2000, Math.max(200, params.block.timeMs / 10))
  const startMs = performance.now()
  let answeredMs = startMs
  let last: TransactionView | undefined
  let misses = 0
  for (;;) {
    if (signal.aborted)
      throw new CliError(`interrupted: transaction ${id} is sent and takes its way`, 130, 'INTERRUPTED')
    try {
      const view = await readTransaction(rpc, id, sinceHeight, signal)
      answeredMs = performance.now()
      if (view.status !== last?.status || (view.status === 'included' && view.height !== last.height))
        options.onChange(view)
      last = view
      if (view.status === 'included' && view.depth >= depth) return view
      // Twice, because a reorganisation can take it out of a block and back to what waits.
      misses = view.status === 'unknown' ? misses + 1 : 0
      if (view.status === 'unknown' && misses >= 2) throw await goneError(options, view)
    } catch (error) {
      if (signal.aborted) continue
      if (!isSilence(error) || performance.now() - answeredMs > SILENCE_MS) throw error
    }
    if (performance.now() - startMs > options.timeoutMs) throw timeoutError(options, last)
    await delay(pollMs, undefined, { signal }).catch(() => undefined)
  }
}

function timeoutError({ sent, depth, timeoutMs }: FollowOptions, view: TransactionView | undefined): CliError {
  const where =
    view?.status === 'included'
      ? `it is in block ${view.blockHeight}, ${view.depth} deep instead of ${depth}`
      : 'it still waits for a block'
  return new CliError(`after ${timeoutMs / 1000} s of waiting for transaction ${sent.id} ${where}`, 1, 'TIMEOUT')
}

/** Why a transaction is neither waiting nor in a block. */
async function goneError(
  { rpc, from, sent: { id, nonce, sinceHeight } }: FollowOptions,
  { searchedFrom }: { readonly searchedFrom: number },
): Promise<CliError> {
  const account = await readAccount(rpc, from, undefined)
  if (searchedFrom > sinceHeight)
    return new CliError(`transaction ${id} is in none of the newest blocks; "wallet history" looks further`, 1, 'LOST')
  const rival = account.waiting.find((each) => each.nonce === nonce)
  if (account.nonce > nonce || rival !== undefined) {
    const by = rival === undefined ? 'another one with its nonce is in a block' : `${rival.id} waits in its place`
    return new CliError(`transaction ${id} was replaced: ${by}. It will not be paid`, 1, 'REPLACED')
  }
  return new CliError(
    `transaction ${id} was dropped: the node does not have it any more (it was pushed out by better paid ones, or the node started anew), ` +
      `and no block does. It can be sent again; --nonce ${nonce} makes sure that only one of the two is paid`,
    1,
    'DROPPED',
  )
}
