/** Plain proofs of any size, for timing their verification (chapter 12). */
import { pearl } from '@nacre/protocol'

export const HEADER: pearl.PearlHeader = {
  version: 0x20000000,
  previousBlock: new Uint8Array(32).fill(1),
  merkleRoot: new Uint8Array(32).fill(2),
  time: 0x66666666,
  bits: 0x207fffff,
}

export interface ProofShape {
  readonly rows: readonly number[]
  readonly columns: readonly number[]
  readonly m: number
  readonly n: number
  readonly k: number
  readonly rank: number
}

const spaced = (count: number, step: number): number[] => Array.from({ length: count }, (_, i) => i * step)
const ROWS_8 = spaced(8, 8)
/** Columns 0, 1, 8, 9, .., 56, 57. */
const COLUMNS_16 = ROWS_8.flatMap((base) => [base, base + 1])
const square = (size: number, k: number, rank: number): Omit<ProofShape, 'rows' | 'columns'> => ({
  m: size,
  n: size,
  k,
  rank,
})

/** From the least to the largest proof that there is. */
export const PROOF_SHAPES = {
  'least: 2 x 16, k 1024, rank 32, 256 rows': { rows: [0, 8], columns: spaced(16, 1), ...square(256, 1024, 32) },
  'the devnet’s: 16 x 16, k 2048, rank 128, 256 rows': {
    rows: spaced(16, 1),
    columns: spaced(16, 1),
    ...{ ...square(256, 2048, 128), n: 512 },
  },
  '8 x 16, k 2048, rank 128, 16,384 rows': { rows: ROWS_8, columns: COLUMNS_16, ...square(16_384, 2048, 128) },
  '8 x 16, k 4096, rank 128, 131,072 rows': { rows: ROWS_8, columns: COLUMNS_16, ...square(131_072, 4096, 128) },
  '16 x 16, k 4096, rank 256, 131,072 rows': {
    rows: spaced(16, 8),
    columns: COLUMNS_16,
    ...square(131_072, 4096, 256),
  },
  'largest of a block: 4 x 8, k 65,536, rank 1024, 2^24 rows': {
    rows: spaced(4, 8),
    columns: spaced(8, 2),
    ...square(2 ** 24, 65_536, 1024),
  },
  'largest: 4 x 60, k 65,536, rank 1024, 2^24 rows': {
    rows: spaced(4, 8),
    columns: spaced(60, 2),
    ...square(2 ** 24, 65_536, 1024),
  },
} as const satisfies Record<string, ProofShape>
export type ProofName = keyof typeof PROOF_SHAPES
export const PROOF_NAMES = Object.keys(PROOF_SHAPES) as ProofName[]

/**
 * A valid proof of any size without its operands: the opened rows are random, and so are the siblings, since nobody sees what they
 * stand for. It verifies like any other. Encoded.
 */
export function proofOf(name: ProofName): Uint8Array {
  const { rows, columns, m, n, k, rank }: ProofShape = PROOF_SHAPES[name]
  const configuration = pearl.encodeConfiguration({
    k,
    rank,
    rows: pearl.patternOfIndices(rows, m).pattern,
    columns: pearl.patternOfIndices(columns, n).pattern,
  })
  const key = pearl.jobKey(pearl.encodeHeader(HEADER), configuration)
  const random = randomOperands(1)
  const opening = (rowIndices: readonly number[], size: number): pearl.MatrixOpening => {
    const totalLeaves = Math.ceil((size * k) / pearl.CHUNK_BYTES)
    const leafIndices = pearl.chunksOfRows(rowIndices, k)
    const leafData = leafIndices.map(() => new Uint8Array(random(pearl.CHUNK_BYTES).buffer))
    const siblings = Array.from(
      { length: siblingsOf(totalLeaves, leafIndices) },
      () => new Uint8Array(random(32).buffer),
    )
    const root = pearl.rootOfChunks(key, totalLeaves, leafIndices, leafData, siblings)
    return { rowIndices, leafIndices, leafData, totalLeaves, root, siblings }
  }
  return pearl.encodePlainProof({ m, n, k, noiseRank: rank, a: opening(rows, m), bt: opening(columns, n) })
}

/** Decodes and verifies, as nodes do. */
export function verification(name: ProofName): () => pearl.VerifiedProof {
  const bytes = proofOf(name)
  return () => pearl.verifyPlainProof(HEADER, bytes)
}

function siblingsOf(chunks: number, indices: readonly number[]): number {
  let count = 0
  let known = new Set(indices)
  for (let width = chunks; width > 1; width = (width + 1) >>> 1) {
    for (const index of known) if (!known.has(index ^ 1) && (index ^ 1) < width) count++
    known = new Set([...known].map((index) => index >>> 1))
  }
  return count
}

/** Values in [-63, 63], which Pearl and the kernels take, out of a linear congruence. */
export function randomOperands(seed: number): (length: number) => Int8Array<ArrayBuffer> {
  let state = seed
  return (length) => {
    const out = new Int8Array(length)
    for (let i = 0; i < length; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
      out[i] = ((state >>> 24) % 127) - 63
    }
    return out
  }
}
