/** A market with audits: units of the preset `unit`'s model that are really executed, and forged ones. */
import { accusationCommitment } from '../src/audit/accusations.ts'
import { readAuditedUnit } from '../src/audit/entries.ts'
import { epochOf, epochWindows } from '../src/audit/epochs.ts'
import type { FraudProof, UnitVerdict, VerdictProof } from '../src/audit/payloads.ts'
import { secretCommitment } from '../src/audit/selection.ts'
import { deliveryId } from '../src/audit/transcript.ts'
import { u32le } from '../src/bytes.ts'
import { taggedHash } from '../src/hash.ts'
import { executeUnit } from '../src/inference/execute.ts'
import type { KeyPair } from '../src/keys.ts'
import { accountOf } from '../src/keys.ts'
import type { AppliedBlock } from '../src/ledger/apply-block.ts'
import type { StateReader } from '../src/ledger/state.ts'
import type { Job } from '../src/ledger/transactions.ts'
import { paidTask } from '../src/market/receipts.ts'
import { overrideParams } from '../src/params/lines.ts'
import { GRAINS_PER_NCR } from '../src/params/presets.ts'
import type { Params } from '../src/params/types.ts'
import { commitTrace } from '../src/trace/commit.ts'
import { openStep } from '../src/trace/open.ts'
import type { StepOpening } from '../src/trace/opening.ts'
import { stepOutput } from '../src/trace/steps/places.ts'
import type { StepRef, Trace } from '../src/trace/types.ts'
import { FAUCET, keysOf, MODEL, transfer } from './ledger-fixture.ts'
import { askBody, CLIENT, MarketLedger, minerKeys, OTHER_CLIENT, params, VERIFIER } from './market-fixture.ts'
import { commitLeaves, leavesOf } from './trace-fixture.ts'

/** Whoever accuses, without a role. */
export const ACCUSER: KeyPair = keysOf(70)
export const OTHER_VERIFIER: KeyPair = keysOf(61)

/** Audits on, with windows of a few blocks. */
export const AUDIT_PARAMS: Params = params(
  'audits.mode=on',
  'block.maturityBlocks=24',
  'bonds.unbondingBlocks=40',
  'jobs.auditWindowBlocks=6',
)
export const auditParams = (...lines: string[]): Params => overrideParams(AUDIT_PARAMS, lines)

/** A delivered unit as its miner keeps it. */
export interface Kept {
  readonly trace: Trace
  readonly traceRoot: Uint8Array
  open(ref: StepRef): StepOpening
}

/** A step whose output a forger changed. */
export const FORGED: StepRef = { kind: 'ffn', layer: 1, group: 0, position: 3 }
export const HONEST: StepRef = { kind: 'proj', layer: 0, group: 0, position: 2 }

/** The trace with the lowest bit of one byte of a step's output changed, as the forger commits to it. */
export function forged(trace: Trace, ref: StepRef = FORGED): Kept {
  const leaves = leavesOf(trace)
  const { subroot, leaf, start } = stepOutput(trace.shape, ref)
  leaves[subroot]![leaf] = leaves[subroot]![leaf]!.with(start, leaves[subroot]![leaf]![start]! ^ 1)
  const commitment = commitLeaves(leaves)
  return { trace, traceRoot: commitment.traceRoot, open: (step) => commitment.open(trace.shape, step) }
}

export const honest = (trace: Trace): Kept => {
  const commitment = commitTrace(trace)
  return { trace, traceRoot: commitment.traceRoot, open: (step) => openStep(trace, commitment, step) }
}

export const secretOf = (keys: KeyPair, epoch: number): Uint8Array =>
  taggedHash('verifierSecret', keys.secretKey, u32le(epoch))

export class AuditLedger extends MarketLedger {
  /** Posts a job, has it assigned, and delivers what `keep` makes of the honest trace. Ends after the receipt's block. */
  deliver(
    keep: (trace: Trace) => Kept = honest,
    change: Partial<Job> = {},
    answer: (tokens: number[]) => number[] = (tokens) => tokens,
  ): { jobId: Uint8Array; kept: Kept; miner: KeyPair } {
    const jobId = this.post({ expiryHeight: this.height + 30, ...change })
    this.block()
    const miner = this.rank(jobId, 0)
    return { jobId, kept: this.deliverOnly(jobId, keep, answer), miner }
  }

  /** The receipt of an assigned job by rank 0, in a block of its own. */
  deliverOnly(
    jobId: Uint8Array,
    keep: (trace: Trace) => Kept = honest,
    answer: (tokens: number[]) => number[] = (tokens) => tokens,
  ): Kept {
    const trace = executeUnit(MODEL, paidTask(this, jobId, this.job(jobId)))
    const kept = keep(trace)
    const tokens = answer([...trace.tokens.slice(trace.shape.promptTokens)])
    this.block([this.tx(this.rank(jobId, 0), this.receiptBody(jobId, { traceRoot: kept.traceRoot, tokens }))])
    return kept
  }

  /** Commits to proofs in one block and waits until they may be shown. */
  accuse(proofs: FraudProof | VerdictProof | readonly FraudProof[], accuser: KeyPair = ACCUSER): void {
    const accusations = [proofs].flat().map((proof) => {
      const commitment = accusationCommitment(accuser.publicKey, proof)
      return this.tx(accuser, { kind: 'accusation', commitment })
    })
    this.block(accusations)
    this.blocks(this.params.audits.accusationDelayBlocks - 1)
  }

  /** Commits to a proof, waits and shows it. */
  prove(proof: FraudProof | VerdictProof, accuser: KeyPair = ACCUSER): AppliedBlock {
    this.accuse(proof, accuser)
    return this.block([this.tx(accuser, proof)])
  }

  /** Commits to the secrets of the next epoch and goes to its first block. Returns the epoch. */
  enterEpoch(verifiers: readonly KeyPair[] = [VERIFIER]): number {
    const epoch = epochOf(this.params, this.height + 1) + 1
    this.block(
      verifiers.map((keys) => {
        const commitment = secretCommitment(keys.publicKey, epoch, secretOf(keys, epoch))
        return this.tx(keys, { kind: 'verifierCommit', epoch, commitment })
      }),
    )
    this.toHeight(epochWindows(this.params, epoch).from - 1)
    return epoch
  }

  /** Reveals the secrets of an epoch as soon as possible. */
  reveal(epoch: number, verifiers: readonly KeyPair[] = [VERIFIER]): AppliedBlock {
    this.toHeight(epochWindows(this.params, epoch).revealFrom - 1)
    return this.block(
      verifiers.map((keys) => this.tx(keys, { kind: 'verifierReveal', epoch, secret: secretOf(keys, epoch) })),
    )
  }

  /** Empty blocks until the tip has this height. */
  toHeight(height: number): void {
    this.blocks(height - this.height)
  }
}

/** A verdict on what was delivered for a job; on nothing where nothing was. */
export function verdictOn(state: StateReader, jobId: Uint8Array, digests: readonly Uint8Array[]): UnitVerdict {
  const unit = readAuditedUnit(state, jobId)
  return { kind: 'verdict', jobId, delivery: unit === undefined ? new Uint8Array(32) : deliveryId(unit), digests }
}

export const fraudProof = (jobId: Uint8Array, opening: StepOpening): FraudProof => ({
  kind: 'fraudProof',
  jobId,
  salt: new Uint8Array(32).fill(0x5a),
  opening,
})

/** Clients, two miners, two verifiers and the accuser have 1000 NCR; miners and verifiers are registered, asks stand. */
export function audited(use: Params = AUDIT_PARAMS): AuditLedger {
  const ledger = new AuditLedger(use)
  const miners = [minerKeys(0), minerKeys(1)]
  const verifiers = [VERIFIER, OTHER_VERIFIER]
  ledger.block(
    [CLIENT, OTHER_CLIENT, ACCUSER, ...miners, ...verifiers].map((keys) =>
      ledger.tx(FAUCET, transfer(accountOf(keys.publicKey), 1000n * GRAINS_PER_NCR)),
    ),
  )
  ledger.block([
    ...miners.map((keys) => ledger.tx(keys, { kind: 'minerRegister' })),
    ...verifiers.map((keys) => ledger.tx(keys, { kind: 'verifierRegister' })),
  ])
  ledger.block(miners.map((keys) => ledger.tx(keys, askBody())))
  ledger.blocks(ledger.params.jobs.askDelayBlocks)
  return ledger
}
