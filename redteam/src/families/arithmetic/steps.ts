/** Wrong results of single steps: the step that covers the result is run again. */
import {
  attendGroup,
  attentionOperand,
  decodeRow,
  embedRow,
  encodeKv,
  encodeO,
  encodeRow,
  encodeTokens,
  ffnRow,
  type KvRow,
  kvRowOf,
  linearRow,
  type Model,
  type QuantRow,
  rotateAt,
  type StepRef,
  subrootHPrompt,
  subrootKv,
  subrootO,
  subrootXPrompt,
} from '@nacre/protocol'
import type { Mutation, StoppedAttack } from '../../attack.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'
import {
  auditOpening,
  auditStep,
  commitLeaves,
  execute,
  forgeLeaves,
  forgeOutput,
  leavesOf,
  stepsOf,
  task,
  tracedUnit,
} from '../../fixtures/traced-unit.ts'

/** The committed output is compared with the one that the step gives. */
const OUTPUT_COMPARED: Mutation = {
  file: protocolFile('trace/check-step.ts'),
  from: 'equalBytes(committed, expected)',
  to: 'true',
}
const KV: StepRef = { kind: 'kv', layer: 1, group: 0, position: 6 }
const ATTEND: StepRef = { kind: 'attend', layer: 0, group: 1, position: 6 }
const FFN: StepRef = { kind: 'ffn', layer: 0, group: 0, position: 3 }

/** Residual row `h[layer]` of a prompt position. */
function hRow(layer: number, position: number): Float32Array {
  const { trace, model } = tracedUnit()
  const { dModel } = model.config
  return trace.h[layer]!.slice(position * dModel, (position + 1) * dModel)
}

/** Keys and values by a rounding of the miner's own: towards zero, as a cast does it. */
function truncatedKv(ref: StepRef): KvRow {
  const { model } = tracedUnit()
  const { nHeads, nKvHeads, headDim } = model.config
  const { qkv } = model.layers[ref.layer]!
  const a = attentionOperand(model, ref.layer, hRow(ref.layer, ref.position))
  const key = linearRow(a.q, a.scale, qkv, (nHeads + ref.group) * headDim, headDim)
  rotateAt(model, key, ref.position)
  const value = linearRow(a.q, a.scale, qkv, (nHeads + nKvHeads + ref.group) * headDim, headDim)
  const [k, v] = [truncated(key), truncated(value)]
  return { k: k.q, kScale: k.scale, v: v.q, vScale: v.scale }
}

function truncated(row: Float32Array): QuantRow {
  const f = Math.fround
  const scale = f(Math.max(...row.map(Math.abs)) / 63)
  return { scale, q: Int8Array.from(row, (value) => Math.trunc(f(value / scale))) }
}

/** Weights with the four lowest bits gone: a quarter of the bytes to move. */
export function fewerBits(model: Model): Model {
  const coarse = (q: Int8Array): Int8Array => q.map((value) => Math.trunc(value / 16) * 16)
  const layers = model.layers.map((layer) => ({
    ...layer,
    qkv: { ...layer.qkv, q: coarse(layer.qkv.q) },
    o: { ...layer.o, q: coarse(layer.o.q) },
    gateUp: { ...layer.gateUp, q: coarse(layer.gateUp.q) },
    down: { ...layer.down, q: coarse(layer.down.q) },
  }))
  return { ...model, layers }
}

/** The step's attention output over other rows than those of its group. */
function attendTo(ref: StepRef, rowsOf: (rows: KvRow[]) => KvRow[]): QuantRow {
  const { model, trace } = tracedUnit()
  const { layer, group, position } = ref
  const rows = Array.from({ length: position + 1 }, (_, j) => kvRowOf(trace, layer, group, j))
  const a = attentionOperand(model, layer, hRow(layer, position))
  return attendGroup(model, layer, group, position, a, rowsOf(rows))
}

/** A forged row of keys and values at position 2 with an attention output that follows from it. */
function forgeKvInput(change: (row: KvRow) => KvRow): ReturnType<typeof forgeLeaves> {
  const { dims } = tracedUnit().trace.shape
  const { layer, group, position } = ATTEND
  return forgeLeaves((leaves) => {
    const row = change(kvRowOf(tracedUnit().trace, layer, group, 2))
    leaves[subrootKv(dims, layer, group)]![2] = encodeKv(row)
    leaves[subrootO(dims, layer, group)]![position] = encodeO(attendTo(ATTEND, (rows) => rows.with(2, row)))
  })
}

export const steps: readonly StoppedAttack[] = [
  onProtocol({
    id: 'arithmetic/off-by-one',
    actor: 'miner',
    targets: 'P1',
    story:
      'One int8 value of one key and value row is 1 less than the product gives, everything after it is as if it were right.',
    rule: 'TRC-3',
    code: 'STEP_MISMATCH',
    check: OUTPUT_COMPARED,
    run: () =>
      auditStep(KV, () =>
        forgeOutput(KV, (bytes) => bytes.with(-1, bytes.at(-1)! - Math.sign((bytes.at(-1)! << 24) | 1))),
      ),
  }),
  onProtocol({
    id: 'arithmetic/lowest-bit',
    actor: 'miner',
    targets: 'P1',
    story: 'The lowest bit of one binary32 of a residual row is the other one, as another order of summation gives it.',
    rule: 'TRC-3',
    code: 'STEP_MISMATCH',
    check: OUTPUT_COMPARED,
    run: () => auditStep(FFN, () => forgeOutput(FFN, (bytes) => bytes.with(0, bytes[0]! ^ 1))),
  }),
  onProtocol({
    id: 'arithmetic/wrong-rounding',
    actor: 'miner',
    targets: 'P1',
    story:
      'Keys and values are cut towards zero instead of rounded half to even, as an engine with a plain cast would do it.',
    rule: 'MOD-2',
    code: 'STEP_MISMATCH',
    check: {
      file: protocolFile('numerics/quantise.ts'),
      from: 'const r = roundHalfEven(f(v / scale))',
      to: 'const r = Math.trunc(f(v / scale))',
    },
    run: () => auditStep(KV, () => forgeOutput(KV, () => encodeKv(truncatedKv(KV)))),
  }),
  onProtocol({
    id: 'arithmetic/swapped-layer',
    actor: 'miner',
    targets: 'P1',
    story: 'The feed-forward step of layer 0 is computed with the weights of layer 1, which are in the cache already.',
    rule: 'MOD-4',
    code: 'STEP_MISMATCH',
    check: OUTPUT_COMPARED,
    run: () =>
      auditStep(FFN, () =>
        forgeLeaves((leaves) => {
          const { model, trace } = tracedUnit()
          const { dims } = trace.shape
          const x = decodeRow(dims, leaves[subrootXPrompt(dims, 0)]![FFN.position]!)
          leaves[subrootHPrompt(dims, 1)]![FFN.position] = encodeRow(ffnRow(model, 1, x))
        }),
      ),
  }),
  onProtocol({
    id: 'arithmetic/short-attention',
    actor: 'miner',
    targets: 'P1',
    story: 'Attention looks at the last four positions only: long prompts cost no more than short ones.',
    rule: 'MOD-4',
    code: 'STEP_MISMATCH',
    check: OUTPUT_COMPARED,
    run: () => auditStep(ATTEND, () => forgeOutput(ATTEND, () => encodeO(attendTo(ATTEND, (rows) => rows.slice(-4))))),
  }),
  onProtocol({
    id: 'arithmetic/fewer-bits',
    actor: 'miner',
    targets: 'B2',
    story: 'The whole unit is executed with weights of three bits; the trace is consistent in itself.',
    rule: 'MOD-3',
    code: 'STEP_MISMATCH',
    check: OUTPUT_COMPARED,
    run: () =>
      auditStep(FFN, () => commitLeaves(leavesOf(execute(fewerBits(tracedUnit().model), tracedUnit().task).trace))),
  }),
  onProtocol({
    id: 'arithmetic/negative-zero',
    actor: 'miner',
    targets: 'P1',
    story: 'A residual value that is +0 is committed as -0: an equal number, another trace root, and so a nonce.',
    rule: 'MOD-4',
    code: 'STEP_MISMATCH',
    check: OUTPUT_COMPARED,
    run: () => {
      const { model } = tracedUnit()
      const token = Array.from({ length: 256 }, (_, i) => i).find((i) => embedRow(model, i).includes(0))!
      const other = execute(model, task({ promptTokens: [token, 66] }))
      const ref: StepRef = { kind: 'embed', layer: 0, group: 0, position: 0 }
      const row = embedRow(model, token).map((value) => (value === 0 ? -0 : value))
      const audit = (change: (leaves: Uint8Array[][]) => void): void => {
        const committed = forgeLeaves(change, other)
        auditOpening(committed.traceRoot, committed.open(other.trace.shape, ref), model, other.task)
      }
      return outcomeOf(
        () => audit(() => {}),
        () =>
          audit((leaves) => {
            leaves[subrootHPrompt(other.trace.shape.dims, 0)]![0] = encodeRow(row)
          }),
      )
    },
  }),
  onProtocol({
    id: 'arithmetic/greedy-for-sampled',
    actor: 'miner',
    targets: 'P1',
    story:
      'The client asked for a temperature; the miner takes the largest logit, whose token it could guess beforehand.',
    rule: 'MOD-5',
    code: 'STEP_MISMATCH',
    check: OUTPUT_COMPARED,
    run: () => {
      const { model } = tracedUnit()
      const warm = execute(model, task({}, { temperatureMilli: 1500, seed: new Uint8Array(32).fill(1) }))
      const heads = stepsOf(warm.trace.shape, 'head')
      // The first position at which the draw is not the largest logit.
      const greedy = execute(model, task()).trace
      const first = heads.find(({ position }) => greedy.tokens[position + 1] !== warm.trace.tokens[position + 1])!
      const audit = (token: number): void => {
        const committed = forgeLeaves((leaves) => {
          leaves[1]![0]!.set(encodeTokens([token]), 4 * (first.position + 1))
        }, warm)
        auditOpening(committed.traceRoot, committed.open(warm.trace.shape, first), model, warm.task)
      }
      return outcomeOf(
        () => audit(warm.trace.tokens[first.position + 1]!),
        () => audit(greedy.tokens[first.position + 1]!),
      )
    },
  }),
  onProtocol({
    id: 'arithmetic/early-stop',
    actor: 'miner',
    targets: 'P1',
    story: 'Three tokens are generated where five are owed; the trace is complete for three.',
    rule: 'TRC-3',
    code: 'STEP_MISMATCH',
    check: {
      file: protocolFile('trace/steps/shape.ts'),
      from: 'endsByRule(task, model.config.eosToken, generated)',
      to: 'true',
    },
    run: () => {
      const { model, task: assigned } = tracedUnit()
      const ref: StepRef = { kind: 'shape', layer: 0, group: 0, position: 0 }
      const short = execute(model, task({ maxNewTokens: 3 }))
      const forged = commitLeaves(leavesOf(short.trace))
      return outcomeOf(
        () =>
          auditOpening(tracedUnit().commitment.traceRoot, forgeLeaves(() => {}).open(tracedUnit().trace.shape, ref)),
        () => auditOpening(forged.traceRoot, forged.open(short.trace.shape, ref), model, assigned),
      )
    },
  }),
  onProtocol({
    id: 'arithmetic/minus-128',
    actor: 'miner',
    targets: 'P1',
    story: 'A key holds -128, which has no positive twin in int8; the attention output follows from it.',
    rule: 'TRC-2',
    code: 'TRACE_LEAF',
    check: {
      file: protocolFile('trace/leaves.ts'),
      from: 'out[i]! > QUANT_MAX || out[i]! < -QUANT_MAX',
      to: 'false',
    },
    run: () => auditStep(ATTEND, () => forgeKvInput((row) => ({ ...row, k: row.k.with(0, -128) }))),
  }),
  onProtocol({
    id: 'arithmetic/nan',
    actor: 'miner',
    targets: 'P8',
    story:
      'A residual row holds NaN, whose payload is free to choose; the row after it is computed from it by the rules.',
    rule: 'TRC-2',
    code: 'TRACE_LEAF',
    check: { file: protocolFile('trace/leaves.ts'), from: '!Number.isFinite(row[i]!)', to: 'false' },
    run: () =>
      auditStep(FFN, () =>
        forgeLeaves((leaves) => {
          const { model, trace } = tracedUnit()
          const { dims } = trace.shape
          const x = decodeRow(dims, leaves[subrootXPrompt(dims, 0)]![FFN.position]!).with(5, Number.NaN)
          leaves[subrootXPrompt(dims, 0)]![FFN.position] = encodeRow(x)
          leaves[subrootHPrompt(dims, 1)]![FFN.position] = encodeRow(ffnRow(model, 0, x))
        }),
      ),
  }),
  onProtocol({
    id: 'arithmetic/negative-zero-scale',
    actor: 'miner',
    targets: 'P1',
    story:
      'A row of zeros has the scale -0: the same numbers under another leaf, and attention over it gives what +0 gives.',
    rule: 'TRC-2',
    code: 'TRACE_LEAF',
    check: { file: protocolFile('numerics/scale.ts'), from: 'Object.is(value, 0)', to: 'value === 0' },
    run: () => auditStep(ATTEND, () => forgeKvInput((row) => ({ ...row, k: row.k.map(() => 0), kScale: -0 }))),
  }),
  onProtocol({
    id: 'arithmetic/subnormal-scale',
    actor: 'miner',
    targets: 'P1',
    story: 'A scale is subnormal, which hardware that flushes to zero reads as another number.',
    rule: 'TRC-2',
    code: 'TRACE_LEAF',
    check: { file: protocolFile('numerics/scale.ts'), from: 'value >= MIN_NORMAL_F32', to: 'value >= 0' },
    run: () => auditStep(ATTEND, () => forgeKvInput((row) => ({ ...row, vScale: 2 ** -130 }))),
  }),
]
