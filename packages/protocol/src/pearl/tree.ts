/**
 * The commitment to an operand (chapter 12): keyed BLAKE3 of its bytes, zero-padded to whole chunks of 1,024. BLAKE3 hashes a
 * message as a tree of its chunks, so this root also opens single chunks. All chaining values of a level lie in one array of words.
 */
import { equalBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { checkBytes, shown } from './argument.ts'
import { CHUNK_BYTES, CV_WORDS, chunkCv, cvFromBytes, cvToBytes, parentCv } from './blake3.ts'
import { MAX_DIMENSION, MAX_K } from './limits.ts'

/** Largest operand that is hashed in one piece; verification never sees a whole one. */
export const MAX_OPERAND_BYTES: number = 2 ** 31
/** Chunks of the largest operand that a proof can speak of: 2^24 rows of 2^16 bytes. */
const MAX_CHUNKS: number = (MAX_DIMENSION * MAX_K) / CHUNK_BYTES

export interface ChunkTree {
  readonly chunkCount: number
  /** Chaining values from the chunks up, eight words each; the last level is the root. */
  readonly levels: readonly Int32Array[]
  /** 32 bytes. */
  readonly root: Uint8Array
}

/** Chunks of an operand of `bytes` bytes. */
export function chunksOf(bytes: number): number {
  return Math.ceil(bytes / CHUNK_BYTES)
}

/** The operand's bytes; int8 values are taken in two's complement. */
function bytesOf(operand: Uint8Array | Int8Array): Uint8Array {
  check(
    operand instanceof Uint8Array || operand instanceof Int8Array,
    'PEARL_ARGUMENT',
    'an operand is a Uint8Array or an Int8Array',
  )
  check(
    operand.length > 0 && operand.length <= MAX_OPERAND_BYTES,
    'PEARL_ARGUMENT',
    `an operand has 1..${MAX_OPERAND_BYTES} bytes`,
  )
  return new Uint8Array(operand.buffer, operand.byteOffset, operand.length)
}

/** Chunk `index` of an operand, zero-padded to 1,024 bytes. A copy. */
export function chunkAt(operand: Uint8Array | Int8Array, index: number): Uint8Array {
  const chunk = new Uint8Array(CHUNK_BYTES)
  chunk.set(bytesOf(operand).subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES))
  return chunk
}

/** The tree over an operand's chunks. @param key 32 bytes: the job key. Throws PEARL_ARGUMENT. */
export function chunkTree(operand: Uint8Array | Int8Array, key: Uint8Array): ChunkTree {
  checkBytes('the key', key, 32)
  const bytes = bytesOf(operand)
  const keyWords = cvFromBytes(key)
  const chunkCount = chunksOf(bytes.length)
  const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let level = new Int32Array(chunkCount * CV_WORDS)
  for (let i = 0; i < chunkCount; i++) {
    const isWhole = (i + 1) * CHUNK_BYTES <= bytes.length
    const view = isWhole ? whole : new DataView(chunkAt(bytes, i).buffer)
    chunkCv(keyWords, view, isWhole ? i * CHUNK_BYTES : 0, i, chunkCount === 1, level, i * CV_WORDS)
  }
  const levels = [level]
  for (let width = chunkCount; width > 1; width = (width + 1) >>> 1) {
    const next = new Int32Array(((width + 1) >>> 1) * CV_WORDS)
    for (let i = 0; i + 1 < width; i += 2) {
      const to = (i >>> 1) * CV_WORDS
      parentCv(keyWords, level, i * CV_WORDS, level, (i + 1) * CV_WORDS, width === 2, next, to)
    }
    // BLAKE3's left subtree is the largest power of two that leaves something to its right: an odd node moves up unchanged
    if (width % 2 === 1) next.set(level.subarray((width - 1) * CV_WORDS, width * CV_WORDS), next.length - CV_WORDS)
    levels.push(next)
    level = next
  }
  return { chunkCount, levels, root: cvToBytes(level) }
}

/**
 * The commitment to an operand, 32 bytes: keyed BLAKE3 of its bytes, zero-padded to a multiple of 1,024.
 * @param bytes row-major int8 values in two's complement, at least one. @param key 32 bytes: the job key. Throws PEARL_ARGUMENT.
 */
export function operandRoot(bytes: Uint8Array | Int8Array, key: Uint8Array): Uint8Array {
  return chunkTree(bytes, key).root
}

/** Indices of the chunks that hold the given rows of k bytes, strictly increasing. @param rows strictly increasing. */
export function chunksOfRows(rows: readonly number[], k: number): number[] {
  const out: number[] = []
  for (const row of rows) {
    const first = Math.floor((row * k) / CHUNK_BYTES)
    const last = Math.floor(((row + 1) * k - 1) / CHUNK_BYTES)
    for (let i = Math.max(first, (out.at(-1) ?? -1) + 1); i <= last; i++) out.push(i)
  }
  return out
}

/** Sibling chaining values that prove the chunks at `indices` (strictly increasing), bottom level first, left to right. */
export function openChunks(tree: ChunkTree, indices: readonly number[]): Uint8Array[] {
  const siblings: Uint8Array[] = []
  let known = [...indices]
  for (const level of tree.levels.slice(0, -1)) {
    const width = level.length / CV_WORDS
    const parents: number[] = []
    for (let j = 0; j < known.length; j++) {
      const sibling = known[j]! ^ 1
      parents.push(known[j]! >>> 1)
      if (known[j + 1] === sibling) j++
      else if (sibling < width) siblings.push(cvToBytes(level, sibling * CV_WORDS))
    }
    known = parents
  }
  return siblings
}

/** Throws PEARL_OPENING unless there is something to open: an index that lies outside, or none, would lead to a root of no operand. */
function checkOpened(
  chunkCount: number,
  indices: readonly number[],
  chunks: readonly Uint8Array[],
  siblings: readonly Uint8Array[],
): void {
  check(
    Number.isInteger(chunkCount) && chunkCount >= 1 && chunkCount <= MAX_CHUNKS,
    'PEARL_OPENING',
    `no operand has ${shown(chunkCount)} chunks`,
  )
  check(indices.length >= 1 && chunks.length === indices.length, 'PEARL_OPENING', 'there is one chunk for each index')
  let previous = -1
  for (const index of indices) {
    const isNext = Number.isInteger(index) && index > previous && index < chunkCount
    check(isNext, 'PEARL_OPENING', `chunk ${shown(index)} after ${previous}, of ${chunkCount}`)
    previous = index
  }
  for (const chunk of chunks) check(chunk?.length === CHUNK_BYTES, 'PEARL_OPENING', `a chunk has ${CHUNK_BYTES} bytes`)
  for (const sibling of siblings) check(sibling?.length === 32, 'PEARL_OPENING', 'a sibling has 32 bytes')
}

/**
 * The root to which opened chunks lead, 32 bytes. Nothing is said of chunks that are not opened: a sibling may be any 32 bytes.
 * @param key 32 bytes. @param indices strictly increasing and below `chunkCount`; at least one. @param chunks 1,024 bytes each, one
 * for each index. @param siblings 32 bytes each. They must be used up exactly. Throws PEARL_OPENING, and PEARL_ARGUMENT for the key.
 */
export function rootOfChunks(
  key: Uint8Array,
  chunkCount: number,
  indices: readonly number[],
  chunks: readonly Uint8Array[],
  siblings: readonly Uint8Array[],
): Uint8Array {
  checkBytes('the key', key, 32)
  checkOpened(chunkCount, indices, chunks, siblings)
  const keyWords = cvFromBytes(key)
  const known = Int32Array.from(indices)
  const cvs = new Int32Array(known.length * CV_WORDS)
  chunks.forEach((chunk, j) => {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length)
    chunkCv(keyWords, view, 0, known[j]!, chunkCount === 1, cvs, j * CV_WORDS)
  })
  let count = known.length
  let used = 0
  for (let width = chunkCount; width > 1; width = (width + 1) >>> 1) {
    let parents = 0
    for (let j = 0; j < count; j++) {
      const index = known[j]!
      const sibling = index ^ 1
      const at = j * CV_WORDS
      const to = parents * CV_WORDS
      if (j + 1 < count && known[j + 1] === sibling) {
        parentCv(keyWords, cvs, at, cvs, at + CV_WORDS, width === 2, cvs, to)
        j++
      } else if (sibling < width) {
        const bytes = siblings[used++]
        check(bytes !== undefined, 'PEARL_OPENING', 'the siblings end too early')
        const other = cvFromBytes(bytes)
        if (index % 2 === 0) parentCv(keyWords, cvs, at, other, 0, width === 2, cvs, to)
        else parentCv(keyWords, other, 0, cvs, at, width === 2, cvs, to)
      } else cvs.copyWithin(to, at, at + CV_WORDS)
      known[parents++] = index >>> 1
    }
    count = parents
  }
  check(used === siblings.length, 'PEARL_OPENING', `${siblings.length - used} siblings are left over`)
  return cvToBytes(cvs)
}

/** Verifies that `chunks[j]` is chunk `indices[j]` of the operand with this root; see {@link rootOfChunks}. Throws PEARL_OPENING. */
export function verifyChunks(
  root: Uint8Array,
  key: Uint8Array,
  chunkCount: number,
  indices: readonly number[],
  chunks: readonly Uint8Array[],
  siblings: readonly Uint8Array[],
): void {
  const isSame = equalBytes(rootOfChunks(key, chunkCount, indices, chunks, siblings), root)
  check(isSame, 'PEARL_OPENING', 'the chunks do not lead to the root')
}

/**
 * The opened rows out of their chunks: rows.length x k values.
 * @param rows strictly increasing. @param indices exactly the chunks of {@link chunksOfRows}. @param chunks 1,024 bytes each.
 */
export function rowsOfChunks(
  rows: readonly number[],
  k: number,
  indices: readonly number[],
  chunks: readonly Uint8Array[],
): Int8Array {
  const out = new Uint8Array(rows.length * k)
  let j = 0
  rows.forEach((row, i) => {
    const start = row * k
    const end = start + k
    while ((indices[j]! + 1) * CHUNK_BYTES <= start) j++
    for (let at = start; at < end; ) {
      const base = indices[j]! * CHUNK_BYTES
      const to = Math.min(end, base + CHUNK_BYTES)
      out.set(chunks[j]!.subarray(at - base, to - base), i * k + at - start)
      at = to
      if (at < end) j++
    }
  })
  return new Int8Array(out.buffer)
}
