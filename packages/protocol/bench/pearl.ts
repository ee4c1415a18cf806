/**
 * The Pearl baseline in time: node --conditions=development packages/protocol/bench/pearl.ts [--rounds N] [--out FILE].
 * Milliseconds to verify a plain proof, for several shapes and hashes; and what the weaknesses of the baseline cost a miner for each
 * ticket (docs/spec/12-pearl.md). Kinds are interleaved, so that ratios hold; medians, and the least of each, which a busy machine disturbs less. It gates nothing.
 */
import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { type KeyedHash, keyedHash, pearl } from '../src/index.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '40' }, out: { type: 'string' } } })
const rounds = Number(values.rounds)

const spaced = (count: number, step: number): number[] => Array.from({ length: count }, (_, i) => i * step)
const ROWS_8 = spaced(8, 8)
const ROWS_16 = spaced(16, 8)
const COLUMNS_16 = ROWS_8.flatMap((base) => [base, base + 1])
const HEADER: pearl.PearlHeader = {
  version: 0x20000000,
  previousBlock: new Uint8Array(32).fill(1),
  merkleRoot: new Uint8Array(32).fill(2),
  time: 0x66666666,
  bits: 0x207fffff,
}

let seed = 1
function random(length: number): Int8Array {
  const out = new Int8Array(length)
  for (let i = 0; i < length; i++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0
    out[i] = ((seed >>> 24) % 129) - 64
  }
  return out
}

interface Shape {
  readonly rows: readonly number[]
  readonly columns: readonly number[]
  readonly m: number
  readonly n: number
  readonly k: number
  readonly rank: number
}

const configurationOf = ({ rows, columns, m, n, k, rank }: Shape): pearl.Configuration => ({
  k,
  rank,
  rows: pearl.patternOfIndices(rows, m).pattern,
  columns: pearl.patternOfIndices(columns, n).pattern,
})

/**
 * A valid proof of any size without its operands: the opened rows are random, and so are the siblings, since nobody sees what they
 * stand for. It verifies like any other.
 */
function proofOf(shape: Shape): pearl.PlainProof {
  const { rows, columns, m, n, k, rank } = shape
  const configuration = pearl.encodeConfiguration(configurationOf(shape))
  const key = pearl.jobKey(pearl.encodeHeader(HEADER), configuration)
  const opening = (rowIndices: readonly number[], size: number): pearl.MatrixOpening => {
    const totalLeaves = Math.ceil((size * k) / pearl.CHUNK_BYTES)
    const leafIndices = pearl.chunksOfRows(rowIndices, k)
    const leafData = leafIndices.map(() => new Uint8Array(random(pearl.CHUNK_BYTES).buffer))
    const siblings = siblingsOf(totalLeaves, leafIndices)
    const root = pearl.rootOfChunks(key, totalLeaves, leafIndices, leafData, siblings)
    return { rowIndices, leafIndices, leafData, totalLeaves, root, siblings }
  }
  return { m, n, k, noiseRank: rank, a: opening(rows, m), bt: opening(columns, n) }
}

function siblingsOf(chunks: number, indices: readonly number[]): Uint8Array[] {
  let count = 0
  let known = new Set(indices)
  for (let width = chunks; width > 1; width = (width + 1) >>> 1) {
    for (const index of known) if (!known.has(index ^ 1) && (index ^ 1) < width) count++
    known = new Set([...known].map((index) => index >>> 1))
  }
  return Array.from({ length: count }, () => new Uint8Array(random(32).buffer))
}

const results = new Map<string, number[]>()
function timed(kind: string, work: () => unknown): void {
  const start = performance.now()
  work()
  const ms = performance.now() - start
  results.set(kind, [...(results.get(kind) ?? []), ms])
}

const SHAPES: Record<string, Shape> = {
  'least: 2 x 16, k 1024, rank 32, m = n = 256': {
    rows: [0, 8],
    columns: spaced(16, 1),
    m: 256,
    n: 256,
    k: 1024,
    rank: 32,
  },
  '8 x 16, k 2048, rank 128, m = n = 16384': {
    rows: ROWS_8,
    columns: COLUMNS_16,
    m: 16_384,
    n: 16_384,
    k: 2048,
    rank: 128,
  },
  '8 x 16, k 4096, rank 128, m = n = 131072': {
    rows: ROWS_8,
    columns: COLUMNS_16,
    m: 131_072,
    n: 131_072,
    k: 4096,
    rank: 128,
  },
  '16 x 16, k 4096, rank 256, m = n = 131072': {
    rows: ROWS_16,
    columns: COLUMNS_16,
    m: 131_072,
    n: 131_072,
    k: 4096,
    rank: 256,
  },
  'largest: 4 x 60, k 65536, rank 1024, m = n = 2^24': {
    rows: spaced(4, 8),
    columns: spaced(60, 2),
    m: 2 ** 24,
    n: 2 ** 24,
    k: 65_536,
    rank: 1024,
  },
}
const proofs = Object.entries(SHAPES).map(([name, shape]) => {
  const proof = proofOf(shape)
  return { name, proof, bytes: pearl.encodePlainProof(proof) }
})

// One verification by a process that has never verified anything
const coldProof = proofs[2]!
timed(`first in a process: ${coldProof.name}`, () => pearl.verifyPlainProof(HEADER, coldProof.proof))
const cold = results.get(`first in a process: ${coldProof.name}`)![0]!

// The protocol knows no engine; its benchmark asks for one
const { createFastHash } = await import('@nacre/engine')
const fast = await createFastHash()
const hashes: [string, KeyedHash | undefined][] = [
  ['own compression (default)', undefined],
  ['@noble/hashes', keyedHash],
  [`engine, ${fast.implementation}`, fast],
]

function verification(): void {
  for (const { name, proof, bytes } of proofs) {
    timed(`verify ${name}`, () => pearl.verifyPlainProof(HEADER, proof))
    timed(`decode and verify ${name}`, () => pearl.verifyPlainProof(HEADER, bytes))
  }
  for (const [name, hash] of hashes) {
    const options = hash === undefined ? {} : { hash }
    timed(`noise hash by ${name}`, () => pearl.verifyPlainProof(HEADER, proofs[2]!.proof, options))
  }
}

// What a ticket costs whoever may choose the operands: the same product, whatever is in it
const [M, N, K] = [256, 256, 4096]
const base: Shape = { rows: ROWS_8, columns: COLUMNS_16, m: M, n: N, k: K, rank: 128 }
const plainA = random(M * K)
const plainB = random(N * K)
const work = (shape: Shape, a: Int8Array, b: Int8Array): pearl.CommittedWork =>
  pearl.commitWork({ header: HEADER, configuration: configurationOf(shape), m: shape.m, n: shape.n, a, b })
const operands: [string, pearl.CommittedWork][] = [
  ['random', work(base, plainA, plainB)],
  ['zero', work(base, new Int8Array(M * K), new Int8Array(N * K))],
  [
    'all rows equal',
    work(
      base,
      plainA.map((_, t, all) => all[t % K]!),
      plainB,
    ),
  ],
  [
    'rank 1',
    work(
      base,
      plainA.map((_, t) => (Math.floor(t / K) % 8) * ((t % K) % 9)),
      plainB.map((_, t) => (Math.floor(t / K) % 8) * ((t % K) % 9)),
    ),
  ],
]

// The rank at a common dimension that allows most of them
const RANK_K = 16_384
const wideA = random(64 * RANK_K)
const wideB = random(64 * RANK_K)
const ranks = [64, 128, 256, 512, 1024].map((rank) => ({
  rank,
  work: work({ ...base, m: 64, n: 64, k: RANK_K, rank }, wideA, wideB),
}))

/** The noise is drawn once for a whole product, so a ticket is the product of its tile: two operands that stay in memory. */
const noised = ({ configuration, m, n, a, b, seedA, seedB }: pearl.CommittedWork): [Int8Array, Int8Array] => {
  const { k, rank: r, rows, columns } = configuration
  const take = (values: Int8Array, indices: readonly number[]): Int8Array => {
    const out = new Int8Array(indices.length * k)
    indices.forEach((row, i) => {
      out.set(values.subarray(row * k, (row + 1) * k), i * k)
    })
    return out
  }
  const rowIndices = pearl.patternIndices(rows, 0).filter((row) => row < m)
  const columnIndices = pearl.patternIndices(columns, 0).filter((row) => row < n)
  return [
    pearl.noisedRows({ label: pearl.LABEL_A, seed: seedA, k, r, rows: rowIndices, values: take(a, rowIndices) }),
    pearl.noisedRows({ label: pearl.LABEL_B, seed: seedB, k, r, rows: columnIndices, values: take(b, columnIndices) }),
  ]
}
const structured = operands.map(([name, committed]) => ({ name, tile: noised(committed) }))
const ranked = ranks.map(({ rank, work: committed }) => ({ rank, tile: noised(committed) }))

function weaknesses(): void {
  for (const { name, tile } of structured) {
    timed(`ticket, operands ${name}`, () => pearl.foldTile(...tile, { k: K, r: 128 }))
  }
  for (const { rank, tile } of ranked) {
    timed(`ticket, k ${RANK_K}, rank ${rank}`, () => pearl.foldTile(...tile, { k: RANK_K, r: rank }))
  }
  const { jobKey, treeA, treeB } = operands[0]![1]
  timed('new draw: commit to a new A whole (1 MiB)', () => pearl.operandRoot(plainA, jobKey))
  const last = treeA.chunkCount - 1
  const siblings = pearl.openChunks(treeA, [last])
  const chunk = new Uint8Array(pearl.CHUNK_BYTES)
  timed('new draw: one entry of A changed', () => pearl.rootOfChunks(jobKey, last + 1, [last], [chunk], siblings))
  const dims = { jobKey, hashB: treeB.root, m: M, n: N }
  timed('new draw: seeds from another root', () => pearl.noiseSeeds({ ...dims, hashA: chunk.subarray(0, 32) }))
}

for (let round = -10; round < rounds; round++) {
  if (round === 0) results.clear()
  verification()
  weaknesses()
}

const digits = (value: number): number => Number(value.toPrecision(3))
const middle = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!
const medianMs = Object.fromEntries([...results].map(([kind, list]) => [kind, digits(middle(list))]))
const leastMs = Object.fromEntries([...results].map(([kind, list]) => [kind, digits(Math.min(...list))]))
const creditPerMs = Object.fromEntries(
  ranks.map(({ rank }) => {
    const ms = middle(results.get(`ticket, k ${RANK_K}, rank ${rank}`)!)
    const credit = (penalty: boolean): number =>
      Number(pearl.ticketBound(1n, { h: 8, w: 16, k: RANK_K, rank }, penalty)) / ms / 1e6
    const withPenalty = rank < pearl.PENALTY_BASE_RANK ? 'refused' : digits(credit(true))
    return [`rank ${rank}`, { withoutPenalty: digits(credit(false)), withPenalty }]
  }),
)
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0], node: process.version }
const sizes = Object.fromEntries(proofs.map(({ name, bytes }) => [name, bytes.length]))
const report = JSON.stringify(
  {
    rounds,
    medianMs,
    leastMs,
    firstInProcessMs: digits(cold),
    proofBytes: sizes,
    creditedMegaproductsPerMs: creditPerMs,
    machine,
  },
  undefined,
  2,
)
console.log(report)
if (values.out !== undefined) writeFileSync(values.out, `${report}\n`)
