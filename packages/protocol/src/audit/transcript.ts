/** AUD-5: what only somebody who has run a step can know: its integer accumulators, which no trace holds. */
import { u32le } from '../bytes.ts'
import { taggedHash } from '../hash.ts'
import { downOperand } from '../inference/ffn-row.ts'
import { rotateAt } from '../inference/kv-of.ts'
import { attentionOperand, ffnOperand } from '../inference/operands.ts'
import type { QuantMatrix } from '../model/types.ts'
import { rmsNorm } from '../numerics/f32.ts'
import { dotRow, linearRow } from '../numerics/linear.ts'
import { quantiseRow } from '../numerics/quantise.ts'
import type { StepView } from '../trace/steps/view.ts'
import { groupWidth } from '../trace/subtrees.ts'
import type { AuditedUnit } from './entries.ts'
import { DIGEST_BYTES } from './payloads.ts'

/** Accumulators of rows `start` .. `start + count - 1` of a layer, from columns `kStart` on. */
function products(q: Int8Array, matrix: QuantMatrix, start: number, count: number): number[] {
  return Array.from({ length: count }, (_, j) => dotRow(q, 0, matrix, start + j, 0, matrix.columns))
}

/**
 * The int32 accumulators of a step's integer products in the order in which it computes them: `kv` keys, then values; `attend`
 * for each head the query's, then its products with the keys of positions 0..i; `proj` by output and group; `ffn` gates and
 * ups, then outputs; `head` by token. `embed` has the row of the embedding, `shape` and `input` have none.
 */
export function stepAccumulators(view: StepView): Int32Array {
  const { model, ref, shape } = view
  const { nHeads, nKvHeads, headDim, ffnDim, dModel, nLayers } = model.config
  const { layer, group, position } = ref
  switch (ref.kind) {
    case 'shape':
    case 'input':
      return new Int32Array(0)
    case 'embed': {
      const { q, columns } = model.embed
      const token = view.tokens()[position]!
      return Int32Array.from(q.subarray(token * columns, (token + 1) * columns))
    }
    case 'kv': {
      const { q } = attentionOperand(model, layer, view.h(layer))
      const { qkv } = model.layers[layer]!
      const keys = products(q, qkv, (nHeads + group) * headDim, headDim)
      return Int32Array.from([...keys, ...products(q, qkv, (nHeads + nKvHeads + group) * headDim, headDim)])
    }
    case 'attend':
      return attendAccumulators(view)
    case 'proj': {
      const width = groupWidth(shape.dims)
      const operands = Array.from({ length: nKvHeads }, (_, g) => view.o(g).q)
      const { o } = model.layers[layer]!
      return Int32Array.from({ length: dModel * nKvHeads }, (_, at) => {
        const g = at % nKvHeads
        return dotRow(operands[g]!, 0, o, Math.floor(at / nKvHeads), g * width, width)
      })
    }
    case 'ffn': {
      const { gateUp, down } = model.layers[layer]!
      const x = view.x()
      const both = products(ffnOperand(model, layer, x).q, gateUp, 0, 2 * ffnDim)
      return Int32Array.from([...both, ...products(downOperand(model, layer, x).q, down, 0, dModel)])
    }
    case 'head': {
      const { q } = quantiseRow(rmsNorm(view.h(nLayers), model.finalNorm, model.config.normEps))
      return Int32Array.from(products(q, model.head, 0, model.head.rows))
    }
  }
}

function attendAccumulators({ model, ref, shape, h, kv }: StepView): Int32Array {
  const { layer, group, position } = ref
  const { headDim } = model.config
  const { qkv } = model.layers[layer]!
  const a = attentionOperand(model, layer, h(layer))
  const heads = groupWidth(shape.dims) / headDim
  const out: number[] = []
  for (let i = 0; i < heads; i++) {
    const row = (group * heads + i) * headDim
    out.push(...products(a.q, qkv, row, headDim))
    const query = linearRow(a.q, a.scale, qkv, row, headDim)
    rotateAt(model, query, position)
    const { q } = quantiseRow(query)
    for (let j = 0; j <= position; j++) {
      const { k } = kv(j)
      let dot = 0
      for (let d = 0; d < headDim; d++) dot += q[d]! * k[d]!
      out.push(dot)
    }
  }
  return Int32Array.from(out)
}

/**
 * What a verdict is about: H[delivery](unit id | trace root | answer hash | u32 height of the receipt). The id of a unit is not enough: its
 * miner can sign two receipts of it, and the height says whose secret draws its steps (AUD-1).
 */
export function deliveryId({
  unitId,
  traceRoot,
  answerHash,
  receiptHeight,
}: Pick<AuditedUnit, 'unitId' | 'traceRoot' | 'answerHash' | 'receiptHeight'>): Uint8Array {
  return taggedHash('delivery', unitId, traceRoot, answerHash, u32le(receiptHeight))
}

/**
 * The digest of one drawn step in a verdict: the first 8 bytes of H[transcript](verifier | secret | unit id | u32 draw |
 * accumulators as int32). Under the verifier's key and secret: nobody else's says anything about it.
 */
export function stepDigest(
  verifier: Uint8Array,
  secret: Uint8Array,
  unitId: Uint8Array,
  draw: number,
  accumulators: Int32Array,
): Uint8Array {
  const bytes = new Uint8Array(4 * accumulators.length)
  const out = new DataView(bytes.buffer)
  accumulators.forEach((value, i) => {
    out.setInt32(4 * i, value, true)
  })
  return taggedHash('transcript', verifier, secret, unitId, u32le(draw), bytes).slice(0, DIGEST_BYTES)
}
