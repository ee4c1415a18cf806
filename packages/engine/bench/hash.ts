/**
 * Speed of keyed BLAKE3: node --conditions=development packages/engine/bench/hash.ts [--rounds N] [--out FILE].
 * GB/s of every implementation on batches of short messages and on one long message, and milliseconds of what a unit hashes.
 * Kinds are interleaved, so that ratios hold; medians. It gates nothing.
 */
import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import {
  commitTrace,
  emptyTrace,
  type KeyedHash,
  type LotteryParams,
  type Model,
  syntheticModel,
  type Trace,
  unitTickets,
} from '@nacre/protocol'
import {
  type BatchHash,
  bestTicketOf,
  commitTraceFast,
  createFastHash,
  HASH_IMPLEMENTATIONS,
  PreRoots,
} from '../src/index.ts'
import { noiseFactors } from '../src/run/noise.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, out: { type: 'string' } } })
const rounds = Number(values.rounds)

/** Bytes that one measurement takes, about; the reference gets fewer. */
const WORK_BYTES = 1 << 20
const REFERENCE_BYTES = 1 << 17
const SIZES = [
  { name: '64-byte messages', length: 64 },
  { name: '80-byte messages', length: 80 },
  { name: '768-byte messages', length: 768 },
  { name: '1536-byte messages', length: 1536 },
  { name: 'one message of 1 MiB', length: 1 << 20 },
] as const

const hashes: BatchHash[] = []
for (const implementation of HASH_IMPLEMENTATIONS) hashes.push(await createFastHash(implementation))
const key = new Uint8Array(32).fill(7)

const results = new Map<string, number[]>()
const note = (kind: string, value: number): void => {
  results.set(kind, [...(results.get(kind) ?? []), value])
}
const timed = (work: () => unknown): number => {
  const start = performance.now()
  work()
  return performance.now() - start
}

function throughput(): void {
  for (const { name, length } of SIZES) {
    for (const hash of hashes) {
      const bytes = hash.implementation === 'reference' ? REFERENCE_BYTES : WORK_BYTES
      const count = Math.max(1, Math.floor(bytes / length))
      const input = new Uint8Array(count * length).fill(1)
      const out = new Uint8Array(32 * count)
      const ms = timed(() => hash.many(key, input, count, length, out))
      note(`GB/s: ${name}, ${hash.implementation}`, input.length / ms / 1e6)
    }
  }
}

const modelParams: LotteryParams = { noiseRank: 32, tileRows: 16, tileColumns: 32 }
const dims = {
  dModel: 192,
  nLayers: 4,
  nHeads: 6,
  nKvHeads: 3,
  headDim: 32,
  ffnDim: 512,
  vocabSize: 260,
  maxSeqLen: 128,
}
const model: Model = syntheticModel({ name: 'nacre-small-shape', dims, seed: 'bench', tiedHead: true })
const promptTokens = 64
const trace: Trace = emptyTrace({ promptTokens, newTokens: 24, dims: model.config })
for (const rows of [...trace.h, ...trace.x]) rows.set(rows.map((_, i) => i))
const states = new Uint32Array(16 * unitTickets(model.config, modelParams, promptTokens)).map((_, i) => i)

function unitParts(hash: BatchHash): void {
  const plain: KeyedHash = (...args) => hash(...args)
  const kind = (what: string): string => `ms: ${what}, ${hash.implementation}`
  note(
    kind('trace, one hash a call'),
    timed(() => commitTrace(trace, plain)),
  )
  note(
    kind('trace in batches'),
    timed(() => commitTraceFast(trace, hash)),
  )
  const preRoots = new PreRoots(hash)
  const preTrees = timed(() => {
    for (let layer = 0; layer < dims.nLayers; layer++) {
      preRoots.root(trace, layer, 0)
      preRoots.root(trace, layer, 1)
    }
  })
  note(kind('pre-roots'), preTrees)
  note(
    kind('trace after its pre-roots'),
    timed(() => commitTraceFast(trace, hash, preRoots)),
  )
  note(
    kind('tickets'),
    timed(() => bestTicketOf(model, modelParams, promptTokens, key, states, hash)),
  )
  const noise = timed(() => {
    for (let i = 0; i < 2 * dims.nLayers; i++) {
      noiseFactors('A_tensor', key, promptTokens, dims.dModel, modelParams.noiseRank, hash)
    }
  })
  note(kind('operand noise'), noise)
}

for (let round = -5; round < rounds; round++) {
  if (round === 0) results.clear()
  throughput()
  for (const hash of hashes) if (hash.implementation !== 'reference') unitParts(hash)
}

const median = (list: number[]): number => Number(list.toSorted((a, b) => a - b)[list.length >> 1]!.toPrecision(3))
const medians = Object.fromEntries([...results].map(([kind, list]) => [kind, median(list)]))
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0], node: process.version }
const report = JSON.stringify({ rounds, medians, machine }, undefined, 2)
console.log(report)
if (values.out !== undefined) writeFileSync(values.out, `${report}\n`)
