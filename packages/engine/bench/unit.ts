/**
 * Times of one devnet unit of `nacre-small` on one core, as JSON: node --conditions=development packages/engine/bench/unit.ts
 * [--model PATH] [--rounds N] [--kernels scalar]. Medians; an idle core is the caller's business. It gates nothing.
 */
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { buildTicketProof, LANE_BOOTSTRAP, syntheticModel, type UnitTask } from '@nacre/protocol'
import { createFastHash, createKernels, createUnitEngine, type KernelName, loadModel } from '../src/index.ts'

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/nacre-small/model.safetensors' },
    rounds: { type: 'string', default: '30' },
    kernels: { type: 'string' },
  },
})
const PROMPT_TOKENS = 64
const NEW_TOKENS = 24
const modelParams = { noiseRank: 32, tileRows: 16, tileColumns: 32 }
const rounds = Number(values.rounds)

const hash = await createFastHash()
const kernels = await createKernels(values.kernels as KernelName | undefined)
const dims = { dModel: 192, nLayers: 4, nHeads: 6, nKvHeads: 3, headDim: 32, ffnDim: 512, vocabSize: 260, maxSeqLen: 128 }
const model = existsSync(values.model)
  ? await loadModel(values.model, hash)
  : syntheticModel({ name: 'nacre-small-shape', dims, seed: 'bench', tiedHead: true })
const engine = createUnitEngine({ model, kernels, hash })

const bytes32 = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const task = (i: number): UnitTask => ({
  promptTokens: Array.from({ length: PROMPT_TOKENS }, (_, j) => (j * 37 + i * 11) % 256),
  maxNewTokens: NEW_TOKENS,
  decoding: { temperatureMilli: 0, seed: bytes32(0), stopAtEos: false },
})
const median = (times: number[]): number => {
  times.sort((a, b) => a - b)
  return Number(times[times.length >> 1]!.toFixed(2))
}
const measure = (count: number, work: (i: number) => unknown): number => {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    work(i)
    times.push(performance.now() - start)
  }
  return median(times)
}
const keys = (i: number, parent: number): { parentBeacon: Uint8Array; unitId: Uint8Array; minerKey: Uint8Array } => ({
  parentBeacon: bytes32(parent),
  unitId: bytes32(i & 255),
  minerKey: bytes32(1),
})
const unit = (i: number, parent = 7): ReturnType<typeof engine.runUnit> =>
  engine.runUnit({ task: task(i), modelParams, ...keys(i, parent) })

for (let i = 0; i < 10; i++) engine.replayUnit(task(i), unit(i).trace.tokens)
const results = Array.from({ length: rounds }, (_, i) => unit(i))
const proofInputs = results.map(({ trace, commitment, traceRoot, best }, i) => ({
  ...keys(i, 7),
  modelParams,
  promptTokens: PROMPT_TOKENS,
  traceRoot,
  ticket: best!,
  target: 1n << 255n,
  lane: LANE_BOOTSTRAP,
  proof: buildTicketProof(trace, commitment.subroots, commitment.top, best!.position, modelParams.tileRows, hash),
}))
const otherParent = proofInputs.map((input) => input)

// Interleaved, so that the ratios hold on a machine whose speed changes.
const report = {
  unitMs: 0,
  generateMs: 0,
  replayMs: 0,
  newParentMs: measure(Math.min(rounds, 10), (i) => unit(i, 100 + i)),
  ticketProofMs: 0,
  ticketProofWarmMs: 0,
}
const times = { unit: [] as number[], generate: [] as number[], replay: [] as number[] }
unit(0)
for (let i = 0; i < rounds; i++) {
  times.unit.push(measure(1, () => unit(i)))
  times.generate.push(measure(1, () => engine.generate(task(i))))
  times.replay.push(measure(1, () => engine.replayUnit(task(i), results[i]!.trace.tokens)))
}
report.unitMs = median(times.unit)
report.generateMs = median(times.generate)
report.replayMs = median(times.replay)
report.ticketProofWarmMs = measure(rounds, (i) => engine.verifyTicketProof(proofInputs[i]!))
const cold = createUnitEngine({ model, kernels, hash })
report.ticketProofMs = measure(rounds, (i) => cold.verifyTicketProof(otherParent[i]!))
const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version }
console.log(JSON.stringify({ kernels: kernels.name, model: model.config.name, rounds, ...report, machine }, undefined, 2))
