/** Builds `vectors/audits.json`: rates, selection, steps, commitments, accumulators and digests, Freivalds vectors (AUD-1 to AUD-8). */
import { accusationCommitment } from '../../src/audit/accusations.ts'
import { answerHash } from '../../src/audit/check-receipt-step.ts'
import type { AuditedUnit } from '../../src/audit/entries.ts'
import { epochWindows } from '../../src/audit/epochs.ts'
import { freivaldsKey } from '../../src/audit/freivalds.ts'
import { drawsPlant, plantCommitment, plantWindows } from '../../src/audit/plant-draws.ts'
import { verifierRatePpm } from '../../src/audit/rates.ts'
import { auditedSteps, isAudited, secretCommitment } from '../../src/audit/selection.ts'
import { stepAccumulators, stepDigest } from '../../src/audit/transcript.ts'
import { bytesToHex, u32le } from '../../src/bytes.ts'
import { taggedHash } from '../../src/hash.ts'
import { unitModel } from '../../src/model/synthetic.ts'
import { presets } from '../../src/params/presets.ts'
import { checkStep } from '../../src/trace/check-step.ts'
import { openStep } from '../../src/trace/open.ts'
import { STEP_KINDS, type StepRef } from '../../src/trace/types.ts'
import { execute, stepsOf, task } from '../trace-fixture.ts'

const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const hex = bytesToHex
const VERIFIER = fill(0xfe)
const SECRET = fill(0x5e)

/** A unit of which selection and drawing read only these fields. */
const unitOf = (unitId: Uint8Array, promptTokens: number, newTokens: number): AuditedUnit => ({
  minerKey: fill(1),
  client: new Uint8Array(20),
  modelId: fill(2),
  unitId,
  traceRoot: fill(3),
  answerHash: fill(4),
  promptTokens,
  newTokens,
  maxNewTokens: newTokens,
  decoding: task().decoding,
  openedHeight: 1,
  receiptHeight: 1,
  ratePpm: 1_000_000,
  feeGrains: 0n,
  burnedGrains: 0n,
  paidGrains: 0n,
  endHeight: 0,
  isCondemned: false,
})
const stepText = ({ kind, layer, group, position }: StepRef): string => `${kind} ${layer} ${group} ${position}`

export function auditVectors(): unknown {
  const model = unitModel()
  const executed = execute(model, task())
  const { shape } = executed.trace
  const opening = openStep(executed.trace, executed.commitment, stepsOf(shape, 'input')[0]!)
  const fraud = { kind: 'fraudProof', jobId: fill(0x70), salt: fill(0x5a), opening } as const
  return {
    description:
      'Audits: the unit is the one of trace.json, the verifier key 32 bytes of fe, its secret 32 bytes of 5e. A step is kind, layer, group, position.',
    verifierRates: [1, 2, 3, 64, 256].flatMap((verifiers) =>
      [0, 1, 20_000, 500_000, 999_999, 1_000_000].map((ratePpm) => ({
        ratePpm,
        verifiers,
        each: verifierRatePpm(ratePpm, verifiers),
      })),
    ),
    epochs: [0, 1, 100].map((epoch) => ({ epoch, ...epochWindows(presets.nacre, epoch) })),
    commitments: [0, 7, 2 ** 32 - 1].map((epoch) => ({
      epoch,
      commitment: hex(secretCommitment(VERIFIER, epoch, SECRET)),
    })),
    selection: Array.from({ length: 12 }, (_, i) => {
      const unitId = taggedHash('unitId', u32le(i))
      const rates = [20_000, 250_000, 500_000, 1_000_000]
      return { unitId: hex(unitId), audited: rates.filter((rate) => isAudited(SECRET, unitId, rate)) }
    }),
    plants: {
      windows: [0, 1, 100].map((epoch) => ({ epoch, ...plantWindows(presets.nacre, epoch) })),
      commitments: [0, 7, 2 ** 32 - 1].map((epoch) => ({
        epoch,
        commitment: hex(plantCommitment(VERIFIER, epoch, SECRET)),
      })),
      drawn: Array.from({ length: 12 }, (_, i) => {
        const drawnId = taggedHash('unitId', u32le(i))
        const shares = [20_000, 250_000, 500_000, 1_000_000]
        const drawn = shares.filter((plantPpm) =>
          drawsPlant({ ...presets.nacre, audits: { ...presets.nacre.audits, plantPpm } }, SECRET, drawnId),
        )
        return { unitId: hex(drawnId), drawn }
      }),
    },
    steps: [
      [7, 5],
      [16, 1],
    ].map(([promptTokens, newTokens]) => ({
      promptTokens,
      newTokens,
      unitId: hex(fill(9)),
      steps: auditedSteps(presets.nacre, model.config, SECRET, unitOf(fill(9), promptTokens!, newTokens!)).map(
        stepText,
      ),
    })),
    answerHash: [[], [1], [256, 65_536, 7]].map((tokens) => ({ tokens, hash: hex(answerHash(tokens)) })),
    transcripts: STEP_KINDS.map((kind) => {
      const ref = stepsOf(shape, kind).at(-1)!
      const view = checkStep({
        model,
        task: executed.task,
        traceRoot: executed.commitment.traceRoot,
        opening: openStep(executed.trace, executed.commitment, ref),
      })
      const accumulators = stepAccumulators(view)
      return {
        step: stepText(ref),
        count: accumulators.length,
        first: [...accumulators.slice(0, 8)],
        last: [...accumulators.slice(-4)],
        digest: hex(stepDigest(VERIFIER, SECRET, fill(9), 3, accumulators)),
      }
    }),
    accusations: [
      { subject: 'fraud proof', commitment: hex(accusationCommitment(VERIFIER, fraud)) },
      {
        subject: 'verdict proof of step 3 by the verifier',
        commitment: hex(
          accusationCommitment(VERIFIER, { ...fraud, kind: 'verdictProof', verifier: VERIFIER, step: 3 }),
        ),
      },
    ],
    freivalds: {
      seed: hex(SECRET),
      matrix: 'layer 0, fused q,k,v, of the unit model',
      ...freivaldsText(SECRET),
    },
  }

  function freivaldsText(seed: Uint8Array): object {
    const { vectors, images } = freivaldsKey(model.layers[0]!.qkv, seed)
    return {
      vectors: vectors.map((vector) => [...vector.slice(0, 6)]),
      images: images.map((image) => [...image.slice(0, 6)]),
    }
  }
}
