/**
 * AUD-6: an accusation is committed to before its proof is shown, so that nobody can copy the proof and take the bounty, and it
 * puts down a deposit, which a false one loses.
 */
import { u32le } from '../bytes.ts'
import { check, ProtocolError } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import { accountOf } from '../keys.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import { addAmount, credit } from '../ledger/entries.ts'
import type { Params } from '../params/types.ts'
import { stepOpeningCodec } from '../trace/opening.ts'
import { checkAuditsOn } from './block-audits.ts'
import { readAccusation, readAccusationEnds, writeAccusation, writeAccusationEnds } from './entries.ts'
import type { Accusation, FraudProof, VerdictProof } from './payloads.ts'

/** What an accuser commits to: it binds the proof, byte for byte, to its sender, and hides both behind the salt. */
export function accusationCommitment(sender: Uint8Array, proof: FraudProof | VerdictProof): Uint8Array {
  const subject =
    proof.kind === 'fraudProof'
      ? [Uint8Array.of(0), new Uint8Array(32), u32le(0)]
      : [Uint8Array.of(1), proof.verifier, u32le(proof.step)]
  const opening = stepOpeningCodec.encode(proof.opening)
  return taggedHash('accusation', sender, proof.salt, proof.jobId, ...subject, opening)
}

/**
 * Heights of the blocks that may contain the proof of an accusation committed to at `height`.
 * @param receiptHeight of the unit that a fraud proof is about: before it only its miner knows the trace, so the delay counts from there.
 */
export function proofWindow(
  { audits }: Params,
  height: number,
  receiptHeight = 0,
): { readonly first: number; readonly last: number } {
  const { accusationDelayBlocks, accusationBlocks } = audits
  const last = height + accusationDelayBlocks + accusationBlocks - 1
  return { first: Math.max(height, receiptHeight) + accusationDelayBlocks, last }
}

/** Checks an accusation; the function it returns writes and cannot fail. Throws AUDIT_OFF, ACCUSATION_KNOWN. */
export function prepareAccusation(context: ApplyContext, sender: Uint8Array, { commitment }: Accusation): () => void {
  const { params, draft, height } = context
  checkAuditsOn(params)
  check(
    readAccusation(draft, sender, commitment) === undefined,
    'ACCUSATION_KNOWN',
    'the sender has committed to this accusation already',
  )
  return () => {
    writeAccusation(draft, sender, commitment, { deposit: params.audits.accusationDepositGrains, height })
    const end = proofWindow(params, height).last + 1
    writeAccusationEnds(draft, end, [...readAccusationEnds(draft, end), { sender, commitment }])
  }
}

/** An accusation whose time for a proof is now. */
export interface CommittedAccusation {
  /** Of its block, or of the receipt that it was ahead of. */
  readonly height: number
  /** The proof holds: the deposit returns. */
  readonly keep: () => void
  /** The proof is false: the deposit burns. */
  readonly lose: () => void
}

/**
 * The commitment behind a proof. Throws ACCUSATION_UNCOMMITTED (the sender has none, or its time is over), ACCUSATION_EARLY.
 * @param receiptHeight see {@link proofWindow}.
 */
export function committedAccusation(
  context: ApplyContext,
  sender: Uint8Array,
  proof: FraudProof | VerdictProof,
  receiptHeight = 0,
): CommittedAccusation {
  const { draft, params, height, audits } = context
  const commitment = accusationCommitment(sender, proof)
  const record = readAccusation(draft, sender, commitment)
  if (record === undefined)
    throw new ProtocolError('ACCUSATION_UNCOMMITTED', 'the sender has not committed to this proof beforehand')
  const { first } = proofWindow(params, record.height, receiptHeight)
  check(height >= first, 'ACCUSATION_EARLY', `the proof may be shown from height ${first} on`)
  const end = (): void => writeAccusation(draft, sender, commitment, undefined)
  return {
    height: Math.max(record.height, receiptHeight),
    keep: () => {
      end()
      credit(draft, accountOf(sender), record.deposit)
    },
    lose: () => {
      end()
      addAmount(draft, 'burned', record.deposit)
      audits.falseAccusations.push({ jobId: proof.jobId, sender })
    },
  }
}

/** Accusations that were not followed by a proof in time are forgotten; their deposits return. */
export function endAccusations({ draft, height }: ApplyContext): void {
  for (const { sender, commitment } of readAccusationEnds(draft, height)) {
    const record = readAccusation(draft, sender, commitment)
    if (record === undefined) continue
    credit(draft, accountOf(sender), record.deposit)
    writeAccusation(draft, sender, commitment, undefined)
  }
  writeAccusationEnds(draft, height, [])
}
