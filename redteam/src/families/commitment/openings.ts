/** Openings of steps that are not those of the unit: to hide a wrong step, or to make a right one look wrong. */
import {
  auditedTask,
  checkReceiptStep,
  openMerkle,
  readAuditedUnit,
  type StepOpening,
  type StepRef,
  type SubtreeOpening,
  subrootHPrompt,
  subrootKv,
  subrootXPrompt,
  type Trace,
  u32ListToBytes,
} from '@nacre/protocol'
import { audited, FORGED, forged, HONEST, honest, type Kept } from '../../../../packages/protocol/test/audit-fixture.ts'
import { MODEL } from '../../../../packages/protocol/test/ledger-fixture.ts'
import { VERIFIER } from '../../../../packages/protocol/test/market-fixture.ts'
import type { Outcome, StoppedAttack } from '../../attack.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'
import {
  auditOpening,
  auditStep,
  commitLeaves,
  execute,
  forgeLeaves,
  leavesOf,
  task,
  tracedUnit,
} from '../../fixtures/traced-unit.ts'

const CHECK_STEP = protocolFile('trace/check-step.ts')
const SHAPE: StepRef = { kind: 'shape', layer: 0, group: 0, position: 0 }
const EMBED: StepRef = { kind: 'embed', layer: 0, group: 0, position: 4 }
const FFN: StepRef = { kind: 'ffn', layer: 0, group: 0, position: 3 }

const honestTrace = (): ReturnType<typeof forgeLeaves> => forgeLeaves(() => {})
const openHonest = (ref: StepRef): StepOpening => honestTrace().open(tracedUnit().trace.shape, ref)

/** The honest opening of a step passes; the changed one under the same trace root meets its code. */
function reopened(ref: StepRef, change: (opening: StepOpening) => StepOpening): Promise<Outcome> {
  const { traceRoot } = honestTrace()
  return outcomeOf(
    () => auditOpening(traceRoot, openHonest(ref)),
    () => auditOpening(traceRoot, change(openHonest(ref))),
  )
}
const withSubtree = (opening: StepOpening, at: number, change: Partial<SubtreeOpening>): StepOpening => ({
  ...opening,
  subtrees: opening.subtrees.with(at, { ...opening.subtrees[at]!, ...change }),
})
const withDimensions = (...dimensions: number[]) =>
  forgeLeaves((leaves) => {
    leaves[0]![0] = u32ListToBytes(dimensions)
  })

export const openings: readonly StoppedAttack[] = [
  onProtocol({
    id: 'commitment/missing-dimensions',
    actor: 'verifier',
    targets: 'P5',
    story:
      "The opening of an honest miner's step is shown without the dimensions, so that the tokens are read in their place and do not decode: fraud.",
    rule: 'TRC-3',
    code: 'STEP_OPENING',
    check: {
      file: CHECK_STEP,
      from: 'first.index === SUBROOT_DIMENSIONS && first.indices.length === 1 && first.indices[0] === 0',
      to: 'true',
    },
    run: () =>
      reopened(EMBED, ({ ref, subtrees }) => {
        const rest = subtrees.slice(1)
        const topProof = openMerkle(
          tracedUnit().commitment.top,
          rest.map(({ index }) => index),
        )
        return { ref, subtrees: rest, topProof }
      }),
  }),
  onProtocol({
    id: 'commitment/wrong-dimensions',
    actor: 'miner',
    targets: 'B3',
    story: 'The trace says that its model has one layer, half of the work.',
    rule: 'TRC-2',
    code: 'TRACE_DIMENSIONS',
    check: {
      file: protocolFile('trace/leaves.ts'),
      from: 'expected.every((value, i) => value === rest[i])',
      to: 'true',
    },
    run: () => auditStep(FFN, () => withDimensions(7, 5, 32, 1, 4, 2, 8)),
  }),
  onProtocol({
    id: 'commitment/dimensions-past-2-32',
    actor: 'miner',
    targets: 'B3',
    story:
      'The trace says that 2^32 - 2 tokens were generated: in 32 bits prompt and generation together are four positions.',
    rule: 'TRC-2',
    code: 'TRACE_DIMENSIONS',
    check: { file: CHECK_STEP, from: 'newTokens <= task.maxNewTokens', to: 'true' },
    run: () => auditStep(FFN, () => withDimensions(7, 2 ** 32 - 2, 32, 2, 4, 2, 8)),
  }),
  onProtocol({
    id: 'commitment/extra-row',
    actor: 'miner',
    targets: 'B5',
    story:
      'A tree has one leaf more than the unit has positions: no step covers it, so it is a nonce in the trace root.',
    rule: 'TRC-2',
    code: 'TRACE_DIMENSIONS',
    check: { file: CHECK_STEP, from: 'leafCount === expected', to: 'true' },
    run: () =>
      auditStep(SHAPE, () =>
        forgeLeaves((leaves) => {
          leaves[subrootKv(tracedUnit().trace.shape.dims, 0, 0)]!.push(new Uint8Array(8))
        }),
      ),
  }),
  onProtocol({
    id: 'commitment/count-past-2-32',
    actor: 'verifier',
    targets: 'P5',
    story:
      'A tree of an honest trace is claimed to have 2^32 leaves more, which the 32 bits of its root do not show: fraud.',
    rule: 'TRC-3',
    code: 'MERKLE_INDEX_OUT_OF_RANGE',
    check: {
      file: protocolFile('trace/verify-opening.ts'),
      from: 'Number.isInteger(leafCount) && leafCount >= 0 && leafCount <= MAX_MERKLE_LEAVES',
      to: 'true',
    },
    run: () =>
      reopened(SHAPE, (opening) => withSubtree(opening, 4, { leafCount: opening.subtrees[4]!.leafCount + 2 ** 32 })),
  }),
  onProtocol({
    id: 'commitment/cross-unit-splice',
    actor: 'miner',
    targets: 'B5',
    story: 'Asked for a step of a garbled unit, the miner opens the same step of another unit that it has really run.',
    rule: 'CNV-6',
    code: 'MERKLE_ROOT_MISMATCH',
    check: {
      file: protocolFile('merkle.ts'),
      from: 'equalBytes(rootHash(leafCount, known[0]!.hash), root)',
      to: 'true',
    },
    run: () => {
      const other = execute(tracedUnit().model, task({ promptTokens: [256, 65, 66, 67, 68, 69, 70] }))
      const spliced = commitLeaves(leavesOf(other.trace)).open(other.trace.shape, FFN)
      return reopened(FFN, (opening) => ({
        ...opening,
        subtrees: [opening.subtrees[0]!, ...spliced.subtrees.slice(1)],
      }))
    },
  }),
  onProtocol({
    id: 'commitment/layer-shift',
    actor: 'miner',
    targets: 'P1',
    story:
      'Challenged for a step of a garbled layer, the miner answers with the same step of the layer before, which it has run.',
    rule: 'AUD-3',
    code: 'RESPONSE_UNASKED',
    check: {
      file: protocolFile('audit/challenges.ts'),
      from: 'dueHeight > 0 && isSameStep(ref, step)',
      to: 'dueHeight > 0',
    },
    run: () => {
      const respond = (keep: (trace: Trace) => Kept, layer: number): void => {
        const ledger = audited()
        const { jobId, kept, miner } = ledger.deliver(keep)
        ledger.block([ledger.tx(VERIFIER, { kind: 'challenge', jobId, ref: FORGED, bond: 50_000_000n })])
        ledger.preview([ledger.tx(miner, { kind: 'response', jobId, opening: kept.open({ ...FORGED, layer }) })])
      }
      return outcomeOf(
        () => respond(honest, FORGED.layer),
        () => respond(forged, FORGED.layer - 1),
      )
    },
  }),
  onProtocol({
    id: 'commitment/more-than-the-step',
    actor: 'verifier',
    targets: 'P4',
    story:
      'An opening holds a sub-tree that the step does not read: other bytes for the same proof, any number of them.',
    rule: 'TRC-3',
    code: 'STEP_OPENING',
    check: { file: CHECK_STEP, from: 'subtrees.length === places.length && places', to: 'places' },
    run: () =>
      reopened(EMBED, ({ ref, subtrees }) => {
        const more = openHonest({ ...FFN, layer: 1 }).subtrees.at(-1)!
        const all = [...subtrees, more]
        const topProof = openMerkle(
          tracedUnit().commitment.top,
          all.map(({ index }) => index),
        )
        return { ref, subtrees: all, topProof }
      }),
  }),
  onProtocol({
    id: 'commitment/row-shift',
    actor: 'miner',
    targets: 'P1',
    story: 'All rows of a layer are committed one position late: each is right, at another place.',
    rule: 'TRC-3',
    code: 'STEP_MISMATCH',
    check: { file: CHECK_STEP, from: 'equalBytes(committed, expected)', to: 'true' },
    run: () =>
      auditStep(FFN, () =>
        forgeLeaves((leaves) => {
          const rows = leaves[subrootHPrompt(tracedUnit().trace.shape.dims, 1)]!
          rows.unshift(rows.pop()!)
        }),
      ),
  }),
  onProtocol({
    id: 'commitment/swapped-subtrees',
    actor: 'miner',
    targets: 'P1',
    story: 'The rows before and after attention stand in each other’s place in the trace.',
    rule: 'TRC-3',
    code: 'STEP_MISMATCH',
    check: { file: CHECK_STEP, from: 'equalBytes(committed, expected)', to: 'true' },
    run: () =>
      auditStep({ ...FFN, kind: 'proj' }, () =>
        forgeLeaves((leaves) => {
          const { dims } = tracedUnit().trace.shape
          const [h, x] = [subrootHPrompt(dims, 0), subrootXPrompt(dims, 0)]
          ;[leaves[h], leaves[x]] = [leaves[x]!, leaves[h]!]
        }),
      ),
  }),
  onProtocol({
    id: 'commitment/answer-beside-the-trace',
    actor: 'miner',
    targets: 'P1',
    story: 'The trace is true, the answer in the receipt is another one.',
    rule: 'AUD-4',
    code: 'RECEIPT_ANSWER',
    check: {
      file: protocolFile('audit/check-receipt-step.ts'),
      from: 'equalBytes(answerHash(view.tokens().slice(promptTokens)), unit.answerHash)',
      to: 'true',
    },
    run: () => {
      const audit = (answer: (tokens: number[]) => number[]): void => {
        const ledger = audited()
        const { jobId, kept } = ledger.deliver(undefined, {}, answer)
        const unit = readAuditedUnit(ledger, jobId)!
        checkReceiptStep(MODEL, unit, auditedTask(ledger, jobId, unit), kept.open(SHAPE))
      }
      return outcomeOf(
        () => audit((tokens) => tokens),
        () => audit((tokens) => tokens.with(-1, (tokens.at(-1)! + 1) % 256)),
      )
    },
  }),
  onProtocol({
    id: 'commitment/step-that-is-not',
    actor: 'verifier',
    targets: 'P5',
    story:
      'A challenge asks an honest miner for a step after its last position, which nobody can open: unanswered, it is fraud.',
    rule: 'AUD-3',
    code: 'STEP_OUT_OF_RANGE',
    check: {
      file: protocolFile('audit/challenges.ts'),
      from: '  checkStepRef({ promptTokens, newTokens, dims: modelOf(context, modelId) }, ref)\n',
      to: '',
    },
    run: () => {
      const ledger = audited()
      const { jobId } = ledger.deliver()
      const ask = (position: number): void => {
        const ref = { ...HONEST, position }
        const bytes = ledger.tx(VERIFIER, { kind: 'challenge', jobId, ref, bond: 50_000_000n })
        ledger.forget()
        ledger.preview([bytes])
      }
      return outcomeOf(
        () => ask(18),
        () => ask(19),
      )
    },
  }),
]
