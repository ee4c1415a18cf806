/**
 * BLAKE3 at the level of its compression function: chunks and parents in keyed mode, which a whole-message hash does not give, and
 * short messages without a key.
 * Source: the BLAKE3 specification, sections 2.2 to 2.6. Tests hold it to @noble/hashes for messages of many lengths.
 */

/** Bytes of a chunk, of a block and of a chaining value. */
export const CHUNK_BYTES = 1024
export const BLOCK_BYTES = 64
export const CV_WORDS = 8

const CHUNK_START = 1
const CHUNK_END = 2
const PARENT = 4
const ROOT = 8
const KEYED_HASH = 16

const IV0 = 0x6a09e667
const IV1 = 0xbb67ae85 | 0
const IV2 = 0x3c6ef372
const IV3 = 0xa54ff53a | 0
/** The chaining value with which an unkeyed message begins. */
const IV: readonly number[] = [IV0, IV1, IV2, IV3, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]
const ROUNDS = 7

/** The 16 words of the block that is compressed next; every function of this file fills it before it compresses. */
const block = new Int32Array(BLOCK_BYTES / 4)

/** 32 bytes as eight words: a key, or a chaining value in bytes. */
export function cvFromBytes(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const cv = new Int32Array(CV_WORDS)
  for (let i = 0; i < CV_WORDS; i++) cv[i] = view.getInt32(4 * i, true)
  return cv
}

/** Inverse of {@link cvFromBytes}: the words at `from` as 32 bytes. */
export function cvToBytes(cv: Int32Array, from = 0): Uint8Array {
  const out = new Uint8Array(4 * CV_WORDS)
  const view = new DataView(out.buffer)
  for (let i = 0; i < CV_WORDS; i++) view.setInt32(4 * i, cv[from + i]!, true)
  return out
}

/**
 * The chaining value of one whole chunk.
 * @param key eight words. @param data holds the chunk's 1,024 bytes at byte `from`. @param counter index of the chunk, below 2^32.
 * @param isRoot for a message of one chunk: the result is then the hash itself.
 * @param out eight words at `to` receive it.
 */
export function chunkCv(
  key: Int32Array,
  data: DataView,
  from: number,
  counter: number,
  isRoot: boolean,
  out: Int32Array,
  to: number,
): void {
  for (let i = 0; i < CV_WORDS; i++) out[to + i] = key[i]!
  for (let at = 0; at < CHUNK_BYTES; at += BLOCK_BYTES) {
    let flags = KEYED_HASH
    if (at === 0) flags |= CHUNK_START
    if (at === CHUNK_BYTES - BLOCK_BYTES) flags |= isRoot ? CHUNK_END | ROOT : CHUNK_END
    for (let i = 0; i < 16; i++) block[i] = data.getInt32(from + at + 4 * i, true)
    compress(out, to, counter, flags, out, to)
  }
}

/**
 * The chaining value of a parent, or the hash if it is the root.
 * @param left eight words at `leftAt`; likewise `right`. @param out eight words at `to` receive it; may be one of the inputs.
 */
export function parentCv(
  key: Int32Array,
  left: Int32Array,
  leftAt: number,
  right: Int32Array,
  rightAt: number,
  isRoot: boolean,
  out: Int32Array,
  to: number,
): void {
  for (let i = 0; i < CV_WORDS; i++) {
    block[i] = left[leftAt + i]!
    block[CV_WORDS + i] = right[rightAt + i]!
  }
  compress(key, 0, 0, isRoot ? KEYED_HASH | PARENT | ROOT : KEYED_HASH | PARENT, out, to)
}

/**
 * The keyed hash of a message of exactly 64 bytes, given as 16 words.
 * @param out eight words at `to` receive the hash.
 */
export function hashBlock(key: Int32Array, message: Int32Array, out: Int32Array, to: number): void {
  block.set(message)
  compress(key, 0, 0, KEYED_HASH | CHUNK_START | CHUNK_END | ROOT, out, to)
}

/**
 * BLAKE3 without a key, 32 bytes: the baseline has no domains (CNV-2 does not reach it).
 * @param data at most one chunk, else RangeError: a bug of the caller, since all such messages have fixed lengths.
 */
export function plainHash(data: Uint8Array): Uint8Array {
  if (data.length > CHUNK_BYTES) throw new RangeError(`${data.length} bytes are more than a chunk`)
  const padded = new Uint8Array(CHUNK_BYTES)
  padded.set(data)
  const view = new DataView(padded.buffer)
  const cv = Int32Array.from(IV)
  for (let at = 0; at === 0 || at < data.length; at += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES, data.length - at)
    const isLast = at + BLOCK_BYTES >= data.length
    const flags = (at === 0 ? CHUNK_START : 0) | (isLast ? CHUNK_END | ROOT : 0)
    for (let i = 0; i < 16; i++) block[i] = view.getInt32(at + 4 * i, true)
    compress(cv, 0, 0, flags, cv, 0, length)
  }
  return cvToBytes(cv)
}

/**
 * The compression function over `block`, cut to the first half of its output. All state is in local variables and the message is
 * permuted by renaming: typed arrays for the state take more than twice as long.
 * @param length bytes of the block that belong to the message.
 */
function compress(
  cv: Int32Array,
  at: number,
  counter: number,
  flags: number,
  out: Int32Array,
  to: number,
  length: number = BLOCK_BYTES,
): void {
  let m0 = block[0]!
  let m1 = block[1]!
  let m2 = block[2]!
  let m3 = block[3]!
  let m4 = block[4]!
  let m5 = block[5]!
  let m6 = block[6]!
  let m7 = block[7]!
  let m8 = block[8]!
  let m9 = block[9]!
  let m10 = block[10]!
  let m11 = block[11]!
  let m12 = block[12]!
  let m13 = block[13]!
  let m14 = block[14]!
  let m15 = block[15]!
  let v0 = cv[at]!
  let v1 = cv[at + 1]!
  let v2 = cv[at + 2]!
  let v3 = cv[at + 3]!
  let v4 = cv[at + 4]!
  let v5 = cv[at + 5]!
  let v6 = cv[at + 6]!
  let v7 = cv[at + 7]!
  let v8 = IV0
  let v9 = IV1
  let v10 = IV2
  let v11 = IV3
  let v12 = counter | 0
  let v13 = 0
  let v14 = length
  let v15 = flags
  let x = 0
  for (let round = 1; ; round++) {
    // columns
    v0 = (v0 + v4 + m0) | 0
    x = v12 ^ v0
    v12 = (x >>> 16) | (x << 16)
    v8 = (v8 + v12) | 0
    x = v4 ^ v8
    v4 = (x >>> 12) | (x << 20)
    v0 = (v0 + v4 + m1) | 0
    x = v12 ^ v0
    v12 = (x >>> 8) | (x << 24)
    v8 = (v8 + v12) | 0
    x = v4 ^ v8
    v4 = (x >>> 7) | (x << 25)

    v1 = (v1 + v5 + m2) | 0
    x = v13 ^ v1
    v13 = (x >>> 16) | (x << 16)
    v9 = (v9 + v13) | 0
    x = v5 ^ v9
    v5 = (x >>> 12) | (x << 20)
    v1 = (v1 + v5 + m3) | 0
    x = v13 ^ v1
    v13 = (x >>> 8) | (x << 24)
    v9 = (v9 + v13) | 0
    x = v5 ^ v9
    v5 = (x >>> 7) | (x << 25)

    v2 = (v2 + v6 + m4) | 0
    x = v14 ^ v2
    v14 = (x >>> 16) | (x << 16)
    v10 = (v10 + v14) | 0
    x = v6 ^ v10
    v6 = (x >>> 12) | (x << 20)
    v2 = (v2 + v6 + m5) | 0
    x = v14 ^ v2
    v14 = (x >>> 8) | (x << 24)
    v10 = (v10 + v14) | 0
    x = v6 ^ v10
    v6 = (x >>> 7) | (x << 25)

    v3 = (v3 + v7 + m6) | 0
    x = v15 ^ v3
    v15 = (x >>> 16) | (x << 16)
    v11 = (v11 + v15) | 0
    x = v7 ^ v11
    v7 = (x >>> 12) | (x << 20)
    v3 = (v3 + v7 + m7) | 0
    x = v15 ^ v3
    v15 = (x >>> 8) | (x << 24)
    v11 = (v11 + v15) | 0
    x = v7 ^ v11
    v7 = (x >>> 7) | (x << 25)

    // diagonals
    v0 = (v0 + v5 + m8) | 0
    x = v15 ^ v0
    v15 = (x >>> 16) | (x << 16)
    v10 = (v10 + v15) | 0
    x = v5 ^ v10
    v5 = (x >>> 12) | (x << 20)
    v0 = (v0 + v5 + m9) | 0
    x = v15 ^ v0
    v15 = (x >>> 8) | (x << 24)
    v10 = (v10 + v15) | 0
    x = v5 ^ v10
    v5 = (x >>> 7) | (x << 25)

    v1 = (v1 + v6 + m10) | 0
    x = v12 ^ v1
    v12 = (x >>> 16) | (x << 16)
    v11 = (v11 + v12) | 0
    x = v6 ^ v11
    v6 = (x >>> 12) | (x << 20)
    v1 = (v1 + v6 + m11) | 0
    x = v12 ^ v1
    v12 = (x >>> 8) | (x << 24)
    v11 = (v11 + v12) | 0
    x = v6 ^ v11
    v6 = (x >>> 7) | (x << 25)

    v2 = (v2 + v7 + m12) | 0
    x = v13 ^ v2
    v13 = (x >>> 16) | (x << 16)
    v8 = (v8 + v13) | 0
    x = v7 ^ v8
    v7 = (x >>> 12) | (x << 20)
    v2 = (v2 + v7 + m13) | 0
    x = v13 ^ v2
    v13 = (x >>> 8) | (x << 24)
    v8 = (v8 + v13) | 0
    x = v7 ^ v8
    v7 = (x >>> 7) | (x << 25)

    v3 = (v3 + v4 + m14) | 0
    x = v14 ^ v3
    v14 = (x >>> 16) | (x << 16)
    v9 = (v9 + v14) | 0
    x = v4 ^ v9
    v4 = (x >>> 12) | (x << 20)
    v3 = (v3 + v4 + m15) | 0
    x = v14 ^ v3
    v14 = (x >>> 8) | (x << 24)
    v9 = (v9 + v14) | 0
    x = v4 ^ v9
    v4 = (x >>> 7) | (x << 25)

    if (round === ROUNDS) break
    // the message for the next round: 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8
    x = m0
    m0 = m2
    m2 = m3
    m3 = m10
    m10 = m12
    m12 = m9
    m9 = m11
    m11 = m5
    m5 = x
    x = m1
    m1 = m6
    m6 = m4
    m4 = m7
    m7 = m13
    m13 = m14
    m14 = m15
    m15 = m8
    m8 = x
  }
  out[to] = v0 ^ v8
  out[to + 1] = v1 ^ v9
  out[to + 2] = v2 ^ v10
  out[to + 3] = v3 ^ v11
  out[to + 4] = v4 ^ v12
  out[to + 5] = v5 ^ v13
  out[to + 6] = v6 ^ v14
  out[to + 7] = v7 ^ v15
}
