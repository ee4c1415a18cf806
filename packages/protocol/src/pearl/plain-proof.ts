/** Plain proofs (chapter 12): the opened rows of one winning tile, as a miner shows them, and their bytes. */
import { concatBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import { shown } from './argument.ts'
import { CHUNK_BYTES } from './blake3.ts'
import { MAX_PLAIN_PROOF_BYTES } from './limits.ts'

/** Rows of one operand, opened under its root. B is transposed, so that its columns are rows. */
export interface MatrixOpening {
  /** Indices of the opened rows, strictly increasing: those of a tile. */
  readonly rowIndices: readonly number[]
  /** Indices of the chunks that hold these rows, strictly increasing, and the chunks, 1,024 bytes each. */
  readonly leafIndices: readonly number[]
  readonly leafData: readonly Uint8Array[]
  /** Chunks of the whole operand. */
  readonly totalLeaves: number
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Chaining values of 32 bytes, bottom level first, left to right. */
  readonly siblings: readonly Uint8Array[]
}

export interface PlainProof {
  /** A is m x k, B is k x n. */
  readonly m: number
  readonly n: number
  readonly k: number
  readonly noiseRank: number
  readonly a: MatrixOpening
  /** B transposed: n x k. */
  readonly bt: MatrixOpening
}

/**
 * Throws PEARL_PROOF unless `proof` has the form of a plain proof: lists, numbers and bytes where they belong. Nothing about
 * their values or lengths is said yet.
 */
export function checkPlainProofForm(proof: PlainProof): void {
  checkIsObject('a plain proof', proof)
  for (const name of ['m', 'n', 'k', 'noiseRank'] as const) {
    check(typeof proof[name] === 'number', 'PEARL_PROOF', `${name} is no number`)
  }
  for (const side of [proof.a, proof.bt]) {
    checkIsObject('an opening', side)
    check(typeof side.totalLeaves === 'number', 'PEARL_PROOF', 'totalLeaves is no number')
    check(isBytes(side.root, 32), 'PEARL_PROOF', 'a root has 32 bytes')
    for (const name of ['rowIndices', 'leafIndices', 'leafData', 'siblings'] as const) {
      check(Array.isArray(side[name]), 'PEARL_PROOF', `${name} is no list`)
    }
    checkItems('a chunk', side.leafData, CHUNK_BYTES)
    checkItems('a sibling', side.siblings, 32)
  }
}

/** Throws PEARL_PROOF unless every item, holes included, is a Uint8Array of that length. */
function checkItems(what: string, items: readonly Uint8Array[], length: number): void {
  for (let i = 0; i < items.length; i++) {
    check(isBytes(items[i], length), 'PEARL_PROOF', `${what} has ${length} bytes`)
  }
}

function checkIsObject(what: string, value: unknown): void {
  check(typeof value === 'object' && value !== null, 'PEARL_PROOF', `${what} is an object`)
}

function isBytes(value: unknown, length: number): boolean {
  return value instanceof Uint8Array && value.length === length
}

const U64_BYTES = 8
/** The proof is of a dense product. */
const DENSE = 0

function u64(value: number): Uint8Array {
  check(Number.isSafeInteger(value) && value >= 0, 'PEARL_PROOF', `${shown(value)} is no unsigned integer`)
  const out = new Uint8Array(U64_BYTES)
  new DataView(out.buffer).setBigUint64(0, BigInt(value), true)
  return out
}

/**
 * m | n | k | rank | opening of A | opening of B | a zero byte; every number and count is u64, little-endian. An opening: chunks
 * (count, then each with its length), chunk indices, number of chunks, root (32), siblings (count, then 32 each), row indices.
 * It is what Pearl's miners send. Throws PEARL_PROOF.
 */
export function encodePlainProof(proof: PlainProof): Uint8Array {
  checkPlainProofForm(proof)
  const parts = [proof.m, proof.n, proof.k, proof.noiseRank].map(u64)
  for (const side of [proof.a, proof.bt]) {
    parts.push(u64(side.leafData.length), ...side.leafData.flatMap((leaf) => [u64(leaf.length), leaf]))
    parts.push(u64(side.leafIndices.length), ...side.leafIndices.map(u64))
    parts.push(u64(side.totalLeaves), side.root)
    parts.push(u64(side.siblings.length), ...side.siblings)
    parts.push(u64(side.rowIndices.length), ...side.rowIndices.map(u64))
  }
  const bytes = concatBytes(...parts, Uint8Array.of(DENSE))
  check(bytes.length <= MAX_PLAIN_PROOF_BYTES, 'PEARL_PROOF', `${bytes.length} bytes`)
  return bytes
}

/** Inverse of {@link encodePlainProof}, with exact consumption. The lists are views on a private copy. Throws PEARL_PROOF. */
export function decodePlainProof(bytes: Uint8Array): PlainProof {
  check(
    bytes instanceof Uint8Array && bytes.length <= MAX_PLAIN_PROOF_BYTES,
    'PEARL_PROOF',
    `a plain proof has at most ${MAX_PLAIN_PROOF_BYTES} bytes`,
  )
  const reader = new Reader(new Uint8Array(bytes))
  const proof = {
    m: reader.u64(),
    n: reader.u64(),
    k: reader.u64(),
    noiseRank: reader.u64(),
    a: readOpening(reader),
    bt: readOpening(reader),
  }
  check(reader.take(1)[0] === DENSE, 'PEARL_PROOF', 'only proofs of dense products are known')
  check(reader.isAtEnd(), 'PEARL_PROOF', 'bytes after the end')
  return proof
}

function readOpening(reader: Reader): MatrixOpening {
  const leafData = reader.list(U64_BYTES + CHUNK_BYTES, () => {
    check(reader.u64() === CHUNK_BYTES, 'PEARL_PROOF', 'a chunk has 1024 bytes')
    return reader.take(CHUNK_BYTES)
  })
  const leafIndices = reader.list(U64_BYTES, () => reader.u64())
  const totalLeaves = reader.u64()
  const root = reader.take(32)
  const siblings = reader.list(32, () => reader.take(32))
  const rowIndices = reader.list(U64_BYTES, () => reader.u64())
  return { rowIndices, leafIndices, leafData, totalLeaves, root, siblings }
}

/** Reads from the front of some bytes; every read that does not fit throws PEARL_PROOF before anything is allocated. */
class Reader {
  private at = 0
  private readonly bytes: Uint8Array
  private readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  isAtEnd(): boolean {
    return this.at === this.bytes.length
  }

  take(length: number): Uint8Array {
    check(length <= this.bytes.length - this.at, 'PEARL_PROOF', 'the bytes end too early')
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  u64(): number {
    this.take(U64_BYTES)
    const high = this.view.getUint32(this.at - 4, true)
    check(high < 2 ** 21, 'PEARL_PROOF', 'a number exceeds 2^53')
    return high * 2 ** 32 + this.view.getUint32(this.at - 8, true)
  }

  /** A counted list. @param itemBytes least bytes of an item: more items than fit are refused before the first is read. */
  list<T>(itemBytes: number, item: () => T): T[] {
    const count = this.u64()
    check(count <= (this.bytes.length - this.at) / itemBytes, 'PEARL_PROOF', `${count} items do not fit`)
    return Array.from({ length: count }, item)
  }
}
