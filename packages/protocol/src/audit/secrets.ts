/** AUD-1: a verifier's secret of an epoch, committed to before it and revealed after it. */
import { equalBytes } from '../bytes.ts'
import { partOf } from '../emission/coinbase.ts'
import { check, ProtocolError } from '../errors.ts'
import type { ApplyContext } from '../ledger/apply-transaction.ts'
import { addAmount, readRegistration, writeRegistration } from '../ledger/entries.ts'
import { ROLE_VERIFIER, type Role } from '../ledger/keys.ts'
import type { StateDraft } from '../ledger/state.ts'
import { checkAuditsOn } from './block-audits.ts'
import { readAuditor, readAuditors, writeAuditor, writeAuditors } from './entries.ts'
import { epochOf, epochWindows, epochWith } from './epochs.ts'
import type { VerifierCommit, VerifierReveal } from './payloads.ts'
import { secretCommitment } from './selection.ts'

/**
 * Checks a commitment; the function it returns writes and cannot fail. Throws AUDIT_OFF, EPOCH_WINDOW (not the next epoch),
 * EPOCH_VERIFIER (no active verifier, less than half of the bond left, or committed already), EPOCH_FULL.
 */
export function prepareVerifierCommit(context: ApplyContext, sender: Uint8Array, commit: VerifierCommit): () => void {
  const { params, draft, height } = context
  const { epoch, commitment } = commit
  checkAuditsOn(params)
  const next = epochOf(params, height) + 1
  check(epoch === next, 'EPOCH_WINDOW', `secrets of epoch ${epoch} are not committed to now, those of ${next} are`)
  const registration = readRegistration(draft, ROLE_VERIFIER, sender)
  check(
    registration?.unbondingHeight === 0 && 2n * registration.bond >= params.bonds.verifierGrains,
    'EPOCH_VERIFIER',
    'only active verifiers with at least half of their bond commit to a secret',
  )
  check(readAuditor(draft, epoch, sender) === undefined, 'EPOCH_VERIFIER', `the key has a secret for epoch ${epoch}`)
  const auditors = readAuditors(draft, epoch)
  const most = params.audits.maxVerifiers
  check(auditors.length < most, 'EPOCH_FULL', `epoch ${epoch} has its ${most} verifiers`)
  return () => {
    writeAuditors(draft, epoch, [...auditors, sender])
    writeAuditor(draft, epoch, sender, { commitment, secret: undefined })
  }
}

/**
 * Checks a revealed secret; the function it returns writes and cannot fail. Throws AUDIT_OFF, EPOCH_VERIFIER (the sender has no
 * secret of the epoch to reveal), EPOCH_WINDOW, EPOCH_SECRET (not what it committed to).
 */
export function prepareVerifierReveal(context: ApplyContext, sender: Uint8Array, reveal: VerifierReveal): () => void {
  const { params, draft, height } = context
  const { epoch, secret } = reveal
  checkAuditsOn(params)
  const auditor = readAuditor(draft, epoch, sender)
  if (auditor === undefined || auditor.secret !== undefined)
    throw new ProtocolError('EPOCH_VERIFIER', `the sender has no secret of epoch ${epoch} to reveal`)
  const { revealFrom, revealEnd } = epochWindows(params, epoch)
  check(
    height >= revealFrom && height < revealEnd,
    'EPOCH_WINDOW',
    `secrets of epoch ${epoch} are revealed at heights ${revealFrom} to ${revealEnd - 1}`,
  )
  check(
    equalBytes(secretCommitment(sender, epoch, secret), auditor.commitment),
    'EPOCH_SECRET',
    'the secret is not the one that was committed to',
  )
  return () => writeAuditor(draft, epoch, sender, { ...auditor, secret })
}

/** Takes a part of what is left of a key's bond in a role out of the state. Returns the grains, which the caller credits or burns. */
export function takeFromBond(draft: StateDraft, role: Role, publicKey: Uint8Array, ppm: number): bigint {
  const registration = readRegistration(draft, role, publicKey)
  if (registration === undefined) return 0n
  const taken = partOf(registration.bond, ppm)
  writeRegistration(draft, role, publicKey, { ...registration, bond: registration.bond - taken })
  return taken
}

/** Verifiers that have not revealed in time lose a part of their bond and the pay of the epoch; epochs that are over are forgotten. */
export function closeEpochs(context: ApplyContext): void {
  const { params, draft, height, audits } = context
  if (params.audits.mode === 'off') return
  const closing = epochWith(params, 'revealEnd', height)
  for (const verifier of closing === undefined ? [] : readAuditors(draft, closing)) {
    const auditor = readAuditor(draft, closing!, verifier)
    if (auditor === undefined || auditor.secret !== undefined) continue
    const burned = takeFromBond(draft, ROLE_VERIFIER, verifier, params.audits.missedRevealPpm)
    addAmount(draft, 'burned', burned)
    writeAuditor(draft, closing!, verifier, undefined)
    audits.verifierFaults.push({ verifier, reason: 'secret kept back', bounty: 0n, burned })
  }
  const over = epochWith(params, 'end', height)
  if (over === undefined) return
  for (const verifier of readAuditors(draft, over)) writeAuditor(draft, over, verifier, undefined)
  writeAuditors(draft, over, [])
}
