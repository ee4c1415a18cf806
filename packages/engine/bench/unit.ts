/**
 * Times of one devnet unit of `nacre-small` on one core, as JSON: node --conditions=development packages/engine/bench/unit.ts
 * [--model PATH] [--rounds N] [--kernels scalar] [--out FILE]. For each kind of work the median of the wall clock and the mean of this
 * thread's processor time (its clock is too coarse for a median); on a busy machine only the second means something. Kinds are
 * interleaved, so that ratios hold. It gates nothing.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { buildTicketProof, LANE_BOOTSTRAP, syntheticModel, type UnitTask } from '@nacre/protocol'
import {
  createFastHash,
  createKernels,
  createUnitEngine,
  type KernelName,
  loadModel,
  type UnitResult,
} from '../src/index.ts'

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/nacre-small/model.safetensors' },
    rounds: { type: 'string', default: '30' },
    kernels: { type: 'string' },
    out: { type: 'string' },
  },
})
const PROMPT_TOKENS = 64
const NEW_TOKENS = 24
const modelParams = { noiseRank: 32, tileRows: 16, tileColumns: 32 }
const rounds = Number(values.rounds)

const hash = await createFastHash()
const kernels = await createKernels(values.kernels as KernelName | undefined)
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
const model = existsSync(values.model)
  ? await loadModel(values.model, hash)
  : syntheticModel({ name: 'nacre-small-shape', dims, seed: 'bench', tiedHead: true })
const engine = createUnitEngine({ model, kernels, hash })
/** Never runs a unit, so it has no W' in memory. */
const verifier = createUnitEngine({ model, kernels, hash })

const bytes32 = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const task = (i: number): UnitTask => ({
  promptTokens: Array.from({ length: PROMPT_TOKENS }, (_, j) => (j * 37 + i * 11) % 256),
  maxNewTokens: NEW_TOKENS,
  decoding: { temperatureMilli: 0, seed: bytes32(0), stopAtEos: false },
})
const drawKeys = (
  i: number,
  parent: number,
): { parentBeacon: Uint8Array; unitId: Uint8Array; minerKey: Uint8Array } => ({
  parentBeacon: bytes32(parent),
  unitId: bytes32(i & 255),
  minerKey: bytes32(1),
})
const unit = (i: number, parent = 7): UnitResult =>
  engine.runUnit({ task: task(i), modelParams, ...drawKeys(i, parent) })

const wall = new Map<string, number[]>()
const processor = new Map<string, number[]>()
const measure = <T>(kind: string, work: () => T): T => {
  const cpuStart = process.threadCpuUsage()
  const start = performance.now()
  const result = work()
  const elapsed = performance.now() - start
  const { user, system } = process.threadCpuUsage(cpuStart)
  wall.set(kind, [...(wall.get(kind) ?? []), elapsed])
  processor.set(kind, [...(processor.get(kind) ?? []), (user + system) / 1000])
  return result
}
const median = (times: number[]): number => {
  const sorted = times.toSorted((a, b) => a - b)
  return Number(sorted[sorted.length >> 1]!.toFixed(2))
}

const mean = (times: number[]): number => Number((times.reduce((sum, time) => sum + time, 0) / times.length).toFixed(2))

const round = (i: number): void => {
  measure('unit on a new parent', () => unit(i, 100 + i))
  unit(i)
  const { trace, commitment, traceRoot, best } = measure('unit', () => unit(i))
  measure('the same without lottery and commitment', () => engine.generate(task(i)))
  measure('replay', () => engine.replayUnit(task(i), trace.tokens))
  const proof = measure('build ticket proof', () =>
    buildTicketProof(trace, commitment.subroots, commitment.top, best!.position, modelParams.tileRows, hash),
  )
  const claim = {
    modelParams,
    promptTokens: PROMPT_TOKENS,
    traceRoot,
    ticket: best!,
    lane: LANE_BOOTSTRAP,
    proof,
  } as const
  const input = { ...drawKeys(i, 7), ...claim, target: 1n << 255n }
  measure('verify ticket proof', () => verifier.verifyTicketProof(input))
  measure("verify ticket proof, W' in memory", () => engine.verifyTicketProof(input))
}
for (let i = 0; i < 10; i++) round(i)
wall.clear()
processor.clear()
for (let i = 0; i < rounds; i++) round(i)

const milliseconds = Object.fromEntries(
  [...wall].map(([kind, times]) => [kind, { wall: median(times), processor: mean(processor.get(kind)!) }]),
)
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0], node: process.version }
const report = JSON.stringify(
  { kernels: kernels.name, model: model.config.name, rounds, milliseconds, machine },
  undefined,
  2,
)
console.log(report)
if (values.out !== undefined) writeFileSync(values.out, `${report}\n`)
