/** The leaves of whole sub-trees of a trace (TRC-2), hashed in batches straight from its arrays. */
import {
  encodeDimensions,
  encodeTokens,
  f32ToBytes,
  groupWidth,
  kvLeafBytes,
  oLeafBytes,
  type Subtree,
  type Trace,
  tagKey,
} from '@nacre/protocol'
import { type BatchHash, DIGEST_BYTES } from '../hashing/batch-hash.ts'

const LITTLE_ENDIAN: boolean = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
const SCALE_BYTES = 4

/** Little-endian bytes of binary32 values: a view where the machine has that order, as WebAssembly has, else a copy. */
export function leBytes(values: Float32Array): Uint8Array {
  return LITTLE_ENDIAN ? new Uint8Array(values.buffer, values.byteOffset, values.byteLength) : f32ToBytes(values)
}

/** Hashes of all leaves of a sub-tree, leafCount x 32 bytes, into `out`. */
export function hashLeaves(trace: Trace, subtree: Subtree, hash: BatchHash, out: Uint8Array): void {
  const { layer } = subtree
  switch (subtree.kind) {
    case 'dimensions':
      out.set(hash(tagKey('merkleLeaf'), encodeDimensions(trace.shape)))
      return
    case 'tokens':
      out.set(hash(tagKey('merkleLeaf'), encodeTokens(trace.tokens)))
      return
    case 'h':
      hashRows(trace.h[layer]!, trace.shape.dims.dModel, subtree.firstPosition, hash, out)
      return
    case 'x':
      hashRows(trace.x[layer]!, trace.shape.dims.dModel, subtree.firstPosition, hash, out)
      return
    case 'kv':
      hashPacked(kvLeaves(trace, subtree), subtree.leafCount, hash, out)
      return
    case 'o':
      hashPacked(oLeaves(trace, subtree), subtree.leafCount, hash, out)
  }
}

/** Leaf hashes of as many rows of `width` values from `first` on as `out` has room for. */
export function hashRows(rows: Float32Array, width: number, first: number, hash: BatchHash, out: Uint8Array): void {
  const count = out.length / DIGEST_BYTES
  hashPacked(leBytes(rows.subarray(first * width, (first + count) * width)), count, hash, out)
}

function hashPacked(leaves: Uint8Array, count: number, hash: BatchHash, out: Uint8Array): void {
  if (count > 0) hash.many(tagKey('merkleLeaf'), leaves, count, leaves.length / count, out)
}

/** As `encodeKv`, all positions of one KV group. */
function kvLeaves(trace: Trace, { layer, group, leafCount }: Subtree): Uint8Array {
  const { dims } = trace.shape
  const { headDim, nKvHeads } = dims
  const bytes = kvLeafBytes(dims)
  const out = new Uint8Array(leafCount * bytes)
  copyColumns(out, 0, bytes, trace.kScale[layer]!, group, nKvHeads, SCALE_BYTES)
  copyColumns(out, SCALE_BYTES, bytes, trace.vScale[layer]!, group, nKvHeads, SCALE_BYTES)
  copyColumns(out, 2 * SCALE_BYTES, bytes, trace.k[layer]!, group, nKvHeads, headDim)
  copyColumns(out, 2 * SCALE_BYTES + headDim, bytes, trace.v[layer]!, group, nKvHeads, headDim)
  return out
}

/** As `encodeO`, all positions of one KV group. */
function oLeaves(trace: Trace, { layer, group, leafCount }: Subtree): Uint8Array {
  const { dims } = trace.shape
  const bytes = oLeafBytes(dims)
  const out = new Uint8Array(leafCount * bytes)
  copyColumns(out, 0, bytes, trace.oScale[layer]!, group, dims.nKvHeads, SCALE_BYTES)
  copyColumns(out, SCALE_BYTES, bytes, trace.o[layer]!, group, dims.nKvHeads, groupWidth(dims))
  return out
}

/** Column `column` of `columns`, each `width` bytes wide, to `at` in every leaf of `leafBytes`. */
function copyColumns(
  out: Uint8Array,
  at: number,
  leafBytes: number,
  source: Float32Array | Int8Array,
  column: number,
  columns: number,
  width: number,
): void {
  const bytes = source instanceof Float32Array ? leBytes(source) : source
  // Four bytes at a time where everything is aligned, as in all registered models.
  const unit = (at | leafBytes | width | bytes.byteOffset | bytes.byteLength) % 4 === 0 ? 4 : 1
  const from = unit === 4 ? wordsOf(bytes) : bytes
  const to = unit === 4 ? wordsOf(out) : out
  const run = width / unit
  let first = column * run
  for (let place = at / unit; place < to.length; place += leafBytes / unit, first += columns * run) {
    for (let i = 0; i < run; i++) to[place + i] = from[first + i]!
  }
}

function wordsOf(bytes: Uint8Array | Int8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}
