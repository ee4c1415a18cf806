import { check } from '../errors.ts'
import type { Model } from '../model/types.ts'
import type { Params } from '../params/types.ts'

/** The registered model with an id of 32 bytes, weights and all: steps of its units are run again (AUD-4). */
export type StepModel = (modelId: Uint8Array) => Model

/** A unit whose fraud a block proved, or whose challenge it left unanswered. */
export interface CondemnedUnit {
  readonly jobId: Uint8Array
  readonly minerKey: Uint8Array
  readonly reason: 'proof' | 'unanswered'
  /** To the client, in grains. */
  readonly returned: bigint
}
/** What one verdict earned, in grains. */
export interface VerdictPay {
  readonly jobId: Uint8Array
  readonly verifier: Uint8Array
  readonly grains: bigint
}
/** A verifier that lost a part of its bond. */
export interface VerifierFault {
  readonly verifier: Uint8Array
  readonly reason: 'secret kept back' | 'false verdict'
  readonly bounty: bigint
  readonly burned: bigint
}

/** A unit that was shown to be wrong while its miner may still show it to be a plant (AUD-8). */
export interface SuspectedUnit {
  readonly jobId: Uint8Array
  readonly minerKey: Uint8Array
  /** Public key of who showed it. */
  readonly finder: Uint8Array
}
/** A miner that kept its plants back and lost a part of its bond. */
export interface PlantFault {
  readonly minerKey: Uint8Array
  readonly burned: bigint
}

/** What the audits of one block did. */
export interface AuditSummary {
  readonly condemned: readonly CondemnedUnit[]
  /** Deposits burned by accusations that were false. */
  readonly falseAccusations: readonly { readonly jobId: Uint8Array; readonly sender: Uint8Array }[]
  readonly verdictPay: readonly VerdictPay[]
  readonly verifierFaults: readonly VerifierFault[]
  readonly suspected: readonly SuspectedUnit[]
  readonly plantFaults: readonly PlantFault[]
}

/** Counts and results of one block under way: every proof in it costs all nodes the run of a step (TRC-4). */
export class BlockAudits implements AuditSummary {
  readonly condemned: CondemnedUnit[] = []
  readonly falseAccusations: { readonly jobId: Uint8Array; readonly sender: Uint8Array }[] = []
  readonly verdictPay: VerdictPay[] = []
  readonly verifierFaults: VerifierFault[] = []
  readonly suspected: SuspectedUnit[] = []
  readonly plantFaults: PlantFault[] = []
  proofs = 0
  challenges = 0
  responses = 0

  /** Room for one more proof. Throws BLOCK_TOO_MANY_PROOFS. */
  checkProofs({ audits }: Params): void {
    const most = audits.maxProofsPerBlock
    check(this.proofs < most, 'BLOCK_TOO_MANY_PROOFS', `a block has at most ${most} fraud and verdict proofs`)
  }

  /** Room for one more challenge. Throws BLOCK_TOO_MANY_PROOFS. */
  checkChallenges({ audits }: Params): void {
    const most = audits.maxChallengesPerBlock
    check(this.challenges < most, 'BLOCK_TOO_MANY_PROOFS', `a block has at most ${most} challenges`)
  }

  /** Room for one more response: twice what one block's challenges can ask for. Throws BLOCK_TOO_MANY_PROOFS. */
  checkResponses({ audits }: Params): void {
    const most = 2 * audits.maxChallengesPerBlock
    check(this.responses < most, 'BLOCK_TOO_MANY_PROOFS', `a block has at most ${most} responses`)
  }
}

/** The results without the counts. */
export function auditSummary(audits: BlockAudits): AuditSummary {
  const { condemned, falseAccusations, verdictPay, verifierFaults, suspected, plantFaults } = audits
  return { condemned, falseAccusations, verdictPay, verifierFaults, suspected, plantFaults }
}

/** AUDIT_OFF where the network has no audits. */
export function checkAuditsOn({ audits }: Params): void {
  check(audits.mode === 'on', 'AUDIT_OFF', 'this network has no audits (audits.mode)')
}
