/** Samples that miss: what a verifier draws, when it is known, and who may choose it. */
import {
  epochOf,
  epochWindows,
  isSameStep,
  readAuditedUnit,
  runWeight,
  type StepRef,
  sampleSteps,
  secretCommitment,
  stepRuns,
  type Trace,
  type TraceShape,
  taggedHash,
  u32le,
  type VerdictProof,
} from '@nacre/protocol'
import { stepOutput } from '../../../../packages/protocol/src/trace/steps/places.ts'
import {
  ACCUSER,
  AUDIT_PARAMS,
  audited,
  forged,
  honest,
  type Kept,
  secretOf,
  verdictOn,
} from '../../../../packages/protocol/test/audit-fixture.ts'
import { market, minerKeys, VERIFIER } from '../../../../packages/protocol/test/market-fixture.ts'
import { commitLeaves, leavesOf } from '../../../../packages/protocol/test/trace-fixture.ts'
import type { Attack, Outcome } from '../../attack.ts'
import {
  auditUnit,
  type Delivered,
  deliveredUnit,
  honestDigests,
  preview,
  sentInstead,
  stepsFor,
} from '../../fixtures/audited-ledger.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'

const SECRETS = protocolFile('audit/secrets.ts')
const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

/** A trace with one wrong step, the wrong byte being the `attempt`-th. */
function garbled(trace: Trace, ref: StepRef, attempt: number): Kept {
  const leaves = leavesOf(trace)
  const { subroot, leaf, start } = stepOutput(trace.shape, ref)
  const bytes = leaves[subroot]![leaf]!
  leaves[subroot]![leaf] = bytes.with(start, bytes[start]! ^ attempt)
  const commitment = commitLeaves(leaves)
  return { trace, traceRoot: commitment.traceRoot, open: (step) => commitment.open(trace.shape, step) }
}

/** Share of a step of one kind in the multiplications of a unit. */
function shareOf(shape: TraceShape, ref: StepRef): number {
  let [total, own] = [0, 0]
  for (const run of stepRuns(shape)) {
    const { base, slope } = runWeight(shape, run)
    for (let n = 0; n < run.count; n++) {
      const weight = base + slope * (n + 1)
      total += weight
      const at = { kind: run.kind, layer: run.layer, group: run.group, position: run.firstPosition + n }
      if (isSameStep(at, ref)) own += weight
    }
  }
  return own / total
}

/** A verdict on a unit whose secret is revealed, and a proof about one of its steps, committed to in time. */
function disputed(of: (delivered: Delivered) => VerdictProof): { delivered: Delivered; proof: VerdictProof } {
  const delivered = deliveredUnit()
  const { ledger, jobId, epoch } = delivered
  ledger.block([ledger.tx(VERIFIER, verdictOn(ledger, jobId, honestDigests(delivered)))])
  ledger.reveal(epoch)
  const proof = of(delivered)
  ledger.accuse(proof)
  return { delivered, proof }
}
function proofAt({ jobId, kept, unit, epoch }: Delivered, step: number, opened: number): VerdictProof {
  const opening = kept.open(stepsFor(secretOf(VERIFIER, epoch), unit)[opened]!)
  return { kind: 'verdictProof', jobId, verifier: VERIFIER.publicKey, step, salt: filled(0x5a), opening }
}

export const samples: readonly Attack[] = [
  onProtocol({
    id: 'randomness/reground-until-missed',
    actor: 'miner',
    targets: 'P1',
    story:
      'A miner that knows a secret garbles a step that it draws, in one way after the other, until the steps drawn for the new trace root miss it.',
    rule: 'AUD-1',
    code: 'STEP_MISMATCH',
    check: {
      file: protocolFile('audit/selection.ts'),
      from: "taggedHash('auditSteps', secret, unit.unitId)",
      to: "taggedHash('auditSteps', secret, unit.traceRoot)",
    },
    run: () => {
      const { ledger, jobId, kept, unit, epoch } = deliveredUnit()
      const secret = secretOf(VERIFIER, epoch)
      const drawn = stepsFor(secret, unit).find(({ kind }) => kind === 'kv' || kind === 'proj')!
      const audit = (commitment: Kept): void =>
        auditUnit(ledger, jobId, { ...unit, traceRoot: commitment.traceRoot }, secret, commitment)
      const regrind = (): void => {
        for (let attempt = 1; attempt < 64; attempt++) {
          try {
            audit(garbled(kept.trace, drawn, attempt))
            return
          } catch {
            // Caught: the next one.
          }
        }
        audit(garbled(kept.trace, drawn, 64))
      }
      return outcomeOf(() => audit(kept), regrind)
    },
  }),
  onProtocol({
    id: 'randomness/index-bias',
    actor: 'miner',
    targets: 'P1',
    story:
      'The last feed-forward step in the order is garbled, which a draw that is not even over all steps reaches more seldom than its share.',
    rule: 'AUD-1',
    code: 'STEP_MISMATCH',
    check: { file: protocolFile('trace/sample-steps.ts'), from: '(u * total) >> 128n', to: '(u * total) >> 129n' },
    run: () => {
      const { ledger, jobId, kept, unit } = deliveredUnit()
      const { shape } = kept.trace
      const position = shape.promptTokens + shape.newTokens - 2
      const last: StepRef = { kind: 'ffn', layer: shape.dims.nLayers - 1, group: 0, position }
      const secrets = Array.from({ length: 300 }, (_, i) => taggedHash('answer', u32le(i)))
      const reached = secrets.filter((secret) => stepsFor(secret, unit).some((ref) => isSameStep(ref, last)))
      const expected = secrets.length * (1 - (1 - shareOf(shape, last)) ** AUDIT_PARAMS.audits.steps)
      // Four standard deviations below what the weights promise: a biased draw, which the miner gets away with.
      const isFair = reached.length > expected - 4 * Math.sqrt(expected)
      const wrong = garbled(kept.trace, last, 1)
      return outcomeOf(
        () => auditUnit(ledger, jobId, unit, reached[0] ?? secrets[0]!, kept),
        () => {
          if (isFair) auditUnit(ledger, jobId, { ...unit, traceRoot: wrong.traceRoot }, reached[0]!, wrong)
        },
      )
    },
  }),
  onProtocol({
    id: 'randomness/step-of-the-accuser',
    actor: 'verifier',
    targets: 'P5',
    story:
      'A right verdict is called false by opening another step than the one that was drawn: its digest is another.',
    rule: 'AUD-5',
    code: 'VERDICT_STEP',
    check: { file: protocolFile('audit/verdicts.ts'), from: 'isSameStep(ref, opening.ref)', to: 'true' },
    run: () => {
      const right = disputed((delivered) => proofAt(delivered, 2, 2))
      const wrong = disputed((delivered) => proofAt(delivered, 2, 1))
      return outcomeOf(
        () => preview(right.delivered.ledger, [ACCUSER, right.proof]),
        () => preview(wrong.delivered.ledger, [ACCUSER, wrong.proof]),
      )
    },
  }),
  onProtocol({
    id: 'randomness/secret-chosen-late',
    actor: 'verifier',
    targets: 'P6',
    story:
      'A verifier commits to its secret in the epoch itself, when it knows which units are there to be passed over.',
    rule: 'AUD-1',
    code: 'EPOCH_WINDOW',
    check: { file: SECRETS, from: 'epoch === next', to: 'true' },
    run: () => {
      const { ledger } = deliveredUnit(undefined, [])
      const now = epochOf(AUDIT_PARAMS, ledger.height + 1)
      const commit = (epoch: number) => {
        const commitment = secretCommitment(VERIFIER.publicKey, epoch, secretOf(VERIFIER, epoch))
        return [VERIFIER, { kind: 'verifierCommit', epoch, commitment }] as const
      }
      return sentInstead(ledger, commit(now + 1), commit(now))
    },
  }),
  onProtocol({
    id: 'randomness/secret-published-early',
    actor: 'coalition',
    targets: 'P6',
    story:
      'A verifier reveals its secret while units of the epoch are still delivered, so that miners know what is looked at.',
    rule: 'AUD-1',
    code: 'EPOCH_WINDOW',
    check: { file: SECRETS, from: 'height >= revealFrom && height < revealEnd', to: 'true' },
    run: async (): Promise<Outcome> => {
      const { ledger, epoch } = deliveredUnit()
      const late = deliveredUnit()
      late.ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).revealFrom - 1)
      const reveal = [VERIFIER, { kind: 'verifierReveal', epoch, secret: secretOf(VERIFIER, epoch) }] as const
      return outcomeOf(
        () => preview(late.ledger, reveal),
        () => preview(ledger, reveal),
      )
    },
  }),
  onProtocol({
    id: 'randomness/another-secret',
    actor: 'verifier',
    targets: 'P6',
    story: 'A lazy verifier reveals another secret than it committed to, one that had drawn nothing.',
    rule: 'AUD-1',
    code: 'EPOCH_SECRET',
    check: {
      file: SECRETS,
      from: 'equalBytes(secretCommitment(sender, epoch, secret), auditor.commitment)',
      to: 'true',
    },
    run: () => {
      const { ledger, epoch } = deliveredUnit()
      ledger.toHeight(epochWindows(AUDIT_PARAMS, epoch).revealFrom - 1)
      const reveal = (secret: Uint8Array) => [VERIFIER, { kind: 'verifierReveal', epoch, secret }] as const
      return sentInstead(ledger, reveal(secretOf(VERIFIER, epoch)), reveal(filled(9)))
    },
  }),
  onProtocol({
    id: 'randomness/delivered-before-the-beacon',
    actor: 'miner',
    targets: 'P6',
    story: 'The only miner that asks executes a job before a beacon has assigned it, to be done when others begin.',
    rule: 'ECO-4',
    code: 'RECEIPT_UNASSIGNED',
    check: {
      file: protocolFile('market/receipts.ts'),
      from: 'job.openedHeight > 0 && job.openedHeight < height',
      to: 'true',
    },
    run: () => {
      const ledger = market({ asks: [{}] })
      const jobId = ledger.post()
      const early = market({ asks: [{}] })
      const earlyId = early.post()
      ledger.block()
      return outcomeOf(
        () => preview(ledger, [minerKeys(0), ledger.receiptBody(jobId)]),
        () => preview(early, [minerKeys(0), early.receiptBody(earlyId)]),
      )
    },
  }),
  {
    id: 'randomness/leaked-secret',
    actor: 'coalition',
    targets: 'P1',
    on: 'protocol',
    story:
      'A verifier tells a miner its secret before the epoch. The miner garbles a step of a unit that this secret does not draw.',
    because:
      'A secret can be told, and nothing shows that it was. What that verifier says is true, and it has its pay. Other verifiers of the epoch draw by their own secrets, a client finds a garbled step for certain when it checks its answer in full, and proof by anybody costs the miner everything immature and its bond.',
    run: () => {
      const secret = secretOf(VERIFIER, epochOf(AUDIT_PARAMS, audited().height + 1) + 1)
      const { ledger, jobId, unit, kept } = deliveredUnit()
      const drawn = stepsFor(secret, unit)
      const free: StepRef = Array.from({ length: kept.trace.shape.promptTokens }, (_, position) => position)
        .map((position): StepRef => ({ kind: 'ffn', layer: 1, group: 0, position }))
        .find((ref) => !drawn.some((step) => isSameStep(step, ref)) && !drawn.some((step) => readsOutput(step, ref)))!
      ledger.revert()
      const wrong = ledger.deliverOnly(jobId, (trace) => forged(trace, free))
      const garbledUnit = readAuditedUnit(ledger, jobId)!
      auditUnit(ledger, jobId, garbledUnit, secret, wrong)
      return (
        !drawn.some((step) => isSameStep(step, free)) && wrong.traceRoot.join() !== honest(kept.trace).traceRoot.join()
      )
    },
  },
  {
    id: 'randomness/one-garbled-step',
    actor: 'miner',
    targets: 'P1',
    on: 'protocol',
    story: 'One step of a unit is garbled, without knowing any secret, and the audit draws others.',
    because:
      'An audit draws steps by their multiplications, and one step is a small part of a unit: what is saved is as small as the chance to be seen. Garbling a share f of the work passes an audit of s steps with (1 - f)^s. A client that checks its answer in full finds every step.',
    run: () => {
      const { ledger, jobId, kept, unit } = deliveredUnit()
      const ref: StepRef = { kind: 'kv', layer: 0, group: 0, position: 1 }
      const wrong = garbled(kept.trace, ref, 1)
      const secrets = Array.from({ length: 20 }, (_, i) => taggedHash('answer', u32le(i)))
      const reads = (secret: Uint8Array): boolean =>
        sampleSteps(taggedHash('auditSteps', secret, unit.unitId), kept.trace.shape, AUDIT_PARAMS.audits.steps).some(
          (step) => isSameStep(step, ref) || readsOutput(step, ref),
        )
      const lucky = secrets.filter((secret) => !reads(secret))
      for (const secret of lucky) auditUnit(ledger, jobId, { ...unit, traceRoot: wrong.traceRoot }, secret, wrong)
      return lucky.length > 0
    },
  },
]

/** Whether a step opens the output of another one. */
function readsOutput(step: StepRef, output: StepRef): boolean {
  if (output.kind === 'kv')
    return (
      step.kind === 'attend' &&
      step.layer === output.layer &&
      step.group === output.group &&
      step.position >= output.position
    )
  const next = step.layer === output.layer + 1 && step.position === output.position
  return (next && step.kind !== 'ffn') || (step.kind === 'head' && step.position === output.position)
}
