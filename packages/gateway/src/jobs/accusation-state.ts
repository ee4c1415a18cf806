/** How an accusation stands (AUD-4, AUD-6), from what any node tells about the job and the accuser's transactions. */
import {
  type JobReceiptView,
  type JobView,
  readAccount,
  readHeight,
  readJob,
  readTransaction,
} from '@nacre/node/rpc-client'
import {
  accountOf,
  answerHash,
  bytesToHex,
  encodeAddress,
  epochOf,
  hexToBytes,
  type Params,
  partOf,
  plantWindows,
  proofWindow,
  type StepOpening,
} from '@nacre/protocol'

/** What is signed for a proof. */
export type ProofKind = 'accusation' | 'fraudProof'

export interface SignedForProof {
  readonly kind: ProofKind
  /** Of the transaction, hex. */
  readonly id: string
  readonly nonce: bigint
  readonly feeGrains: bigint
  /** Height of the tip before: no earlier block holds it. */
  readonly sinceHeight: number
}

/** The answer that a step is wrong in: what its miner signed, hex. */
export interface AccusedAnswer {
  readonly minerKey: string
  readonly traceRoot: string
  /** Of the generated tokens (AUD-4). */
  readonly answerHash: string
}

/** A wrong step and the salt that hides it: with the accuser's key all that it takes to go on after a restart. */
export interface AnswerProof {
  /** 32 bytes. */
  readonly jobId: Uint8Array
  readonly answer: AccusedAnswer
  /** 32 random bytes. */
  readonly salt: Uint8Array
  readonly opening: StepOpening
  /** Oldest first. */
  readonly signed: readonly SignedForProof[]
}

/** A commitment whose deposit returns by itself with a block, if no proof follows (AUD-6). */
export interface OpenDeposit {
  readonly returnsHeight: number
}

/** How it ends. `deposit` is there where a commitment without a proof has one out. */
export type AccusationEnd =
  /** By this proof: the unit is condemned, bounty and deposit are in the balance. `bountyGrains` as far as it is known. */
  | { readonly outcome: 'condemned'; readonly proofHeight: number; readonly bountyGrains?: bigint }
  /**
   * By this proof; the deposit is in the balance. The miner may name the unit as a plant (AUD-8) in blocks up to `lastRevealHeight`; if it has not, that
   * block condemns it and pays the bounty.
   */
  | {
      readonly outcome: 'suspected'
      readonly proofHeight: number
      /** Absent where the node does not say in which epoch the unit is. */
      readonly lastRevealHeight?: number
      readonly bountyGrains?: bigint
    }
  /** The network found the step right: the deposit burned. */
  | { readonly outcome: 'refuted'; readonly proofHeight: number }
  /** Somebody else was first. */
  | { readonly outcome: 'forestalled'; readonly as: 'condemned' | 'suspected'; readonly deposit?: OpenDeposit }
  /** Its miner has named it as a plant, and it answers for another trace. `proofHeight` where this proof was in a block before. */
  | { readonly outcome: 'planted'; readonly proofHeight?: number; readonly deposit?: OpenDeposit }
  /**
   * The unit can no longer be accused: its audits end with block `endHeight` (undefined: the node does not say when they did), and a proof could be in block
   * `earliestHeight` at the soonest.
   */
  | {
      readonly outcome: 'late'
      readonly endHeight: number | undefined
      readonly earliestHeight: number
      readonly deposit?: OpenDeposit
    }
  /** No block up to `lastHeight`, the last that could, took the proof; the deposit is back with the block after it. */
  | { readonly outcome: 'missed'; readonly lastHeight: number }
  /** After a reorganisation the job has another answer, about which the proof says nothing, or none. */
  | { readonly outcome: 'other'; readonly deposit?: OpenDeposit }

/** Where one of the two transactions is. */
export type ProofPlace =
  | { readonly status: 'none' | 'waiting' | 'unknown' }
  | { readonly status: 'included'; readonly height: number; readonly depth: number }

export interface AccusationState {
  /** Of the tip. */
  readonly height: number
  readonly commitment: ProofPlace
  readonly proof: ProofPlace
  /** Heights of the blocks that may hold the proof, of a commitment in a block whose time is not over. */
  readonly window: { readonly first: number; readonly last: number } | undefined
  /** Of a commitment in a block whose time is over. */
  readonly missedHeight: number | undefined
  readonly end: AccusationEnd | undefined
}

const NONE: ProofPlace = { status: 'none' }

/** Blocks that must vouch for a proof before it counts as done, its own included. */
export const PROOF_DEPTH = 3

/** Asks a node. Of several transactions of one kind the one counts that is in a block, or else one that waits. Rejects with RpcError. */
export async function accusationState(
  rpc: string,
  params: Params,
  proof: AnswerProof,
  signal: AbortSignal,
): Promise<AccusationState> {
  const jobId = bytesToHex(proof.jobId)
  const before = await readJob(rpc, jobId, signal)
  const { height, place: commitment } = await placeOf(rpc, proof, 'accusation', signal)
  const { place: shown } = await placeOf(rpc, proof, 'fraudProof', signal)
  // What a proof changes is in the state with its block: looked at before, it would seem to be the doing of somebody else.
  const view = shown.status === 'included' ? await readJob(rpc, jobId, signal) : before
  const { receipt } = view
  const state = { height, commitment, proof: shown, window: undefined, missedHeight: undefined, end: undefined }
  if (shown.status === 'included') return { ...state, end: provenEnd(params, view, shown) }
  const window =
    commitment.status === 'included' ? proofWindow(params, commitment.height, receipt?.height ?? 0) : undefined
  const isMissed = window !== undefined && height + 1 > window.last
  const live = isMissed ? undefined : window
  return {
    ...state,
    window: live,
    missedHeight: isMissed ? window.last : undefined,
    end: unitEnd(params, view, proof, { ...state, window: live }),
  }
}

/** Where the newest of the transactions of a kind is that are signed for a proof; one in a block comes first. */
async function placeOf(
  rpc: string,
  { signed }: AnswerProof,
  kind: ProofKind,
  signal: AbortSignal,
): Promise<{ readonly height: number; readonly place: ProofPlace }> {
  let best: ProofPlace | undefined
  let height: number | undefined
  for (const { id, sinceHeight } of signed.filter((each) => each.kind === kind).reverse()) {
    const view = await readTransaction(rpc, id, sinceHeight, signal)
    height ??= view.height
    if (view.status === 'included')
      return { height: view.height, place: { status: 'included', height: view.blockHeight, depth: view.depth } }
    if (best === undefined || view.status === 'waiting') best = { status: view.status }
  }
  return { height: height ?? (await readHeight(rpc, signal)), place: best ?? NONE }
}

type Included = Extract<ProofPlace, { status: 'included' }>

/** What this proof has done, as far as the state after it tells. */
function provenEnd(params: Params, view: JobView, { height, depth }: Included): AccusationEnd | undefined {
  const audit = view.receipt?.audit
  if (audit?.isCondemned === true) return { outcome: 'condemned', proofHeight: height }
  if (audit?.plant === 'revealed') return { outcome: 'planted', proofHeight: height }
  if (audit?.plant === 'suspected') {
    const { openedHeight } = view
    const last =
      openedHeight === undefined ? undefined : plantWindows(params, epochOf(params, openedHeight)).revealEnd - 1
    return { outcome: 'suspected', proofHeight: height, ...(last === undefined ? {} : { lastRevealHeight: last }) }
  }
  // The block may just be leaving the best chain.
  if (depth < PROOF_DEPTH) return undefined
  return audit === undefined
    ? { outcome: 'late', endHeight: undefined, earliestHeight: height }
    : { outcome: 'refuted', proofHeight: height }
}

/** Why no proof can do anything any more, if that is so. */
function unitEnd(
  params: Params,
  { receipt }: JobView,
  proof: AnswerProof,
  { height, window, commitment }: Pick<AccusationState, 'height' | 'window' | 'commitment'>,
): AccusationEnd | undefined {
  const deposit = window === undefined ? {} : { deposit: { returnsHeight: window.last + 1 } }
  // While a reorganisation has taken the receipt out of its block, it may come back.
  if (receipt?.height === undefined) return commitment.status === 'none' ? { outcome: 'other' } : undefined
  if (!isSameAnswer(proof.answer, receipt)) return { outcome: 'other', ...deposit }
  const { audit } = receipt
  if (audit?.isCondemned === true) return { outcome: 'forestalled', as: 'condemned', ...deposit }
  if (audit?.plant === 'suspected') return { outcome: 'forestalled', as: 'suspected', ...deposit }
  if (audit?.plant === 'revealed') return { outcome: 'planted', ...deposit }
  const next = height + 1
  const earliestHeight =
    window === undefined
      ? Math.max(next, receipt.height) + params.audits.accusationDelayBlocks
      : Math.max(next, window.first)
  const endHeight = audit?.endHeight
  // The record ends with that block before its transactions.
  const isLate = audit === undefined || (endHeight !== undefined && earliestHeight >= endHeight)
  return isLate ? { outcome: 'late', endHeight, earliestHeight, ...deposit } : undefined
}

/** What a receipt says of its answer, as a proof against it keeps it. */
export const accusedAnswer = ({
  minerKey,
  traceRoot,
  tokens,
}: Pick<JobReceiptView, 'minerKey' | 'traceRoot' | 'tokens'>): AccusedAnswer => ({
  minerKey,
  traceRoot,
  answerHash: bytesToHex(answerHash(tokens)),
})

function isSameAnswer(answer: AccusedAnswer, receipt: JobReceiptView): boolean {
  const other = accusedAnswer(receipt)
  return (
    answer.minerKey === other.minerKey && answer.traceRoot === other.traceRoot && answer.answerHash === other.answerHash
  )
}

/** What is taken away at most from now on, and the transactions that it takes: nothing for what is signed and not lost. */
export function accusationCost(
  params: Params,
  { commitment, proof, window }: AccusationState,
): {
  readonly depositGrains: bigint
  readonly feeGrains: bigint
} {
  const fee = params.fees.minTransactionGrains
  const isCommitted = window !== undefined || commitment.status === 'waiting'
  const isShown = proof.status === 'waiting' || proof.status === 'included'
  return {
    depositGrains: isCommitted ? 0n : params.audits.accusationDepositGrains,
    feeGrains: (isCommitted ? 0n : fee) + (isShown ? 0n : fee),
  }
}

/** The bounty that condemning a miner's unit pays now, grains: a part of its bonds, none once it is barred. Rejects with RpcError. */
export async function bountyOf(rpc: string, params: Params, minerKey: string, signal: AbortSignal): Promise<bigint> {
  const key = hexToBytes(minerKey)
  const address = encodeAddress(accountOf(key), params.network.addressPrefix)
  const { bonds } = await readAccount(rpc, address, key, signal)
  return partOf(
    bonds.reduce((sum, { grains }) => sum + grains, 0n),
    params.audits.bountyPpm,
  )
}
