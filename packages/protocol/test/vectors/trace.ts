/** Builds `vectors/trace.json`: a model, traces of units, steps and their openings (MOD-1, MOD-5, TRC-1 to TRC-3). */
import { bytesToHex, hexToBytes } from '../../src/bytes.ts'
import { executeUnit } from '../../src/inference/execute.ts'
import { encodeManifest } from '../../src/model/manifest.ts'
import { unitModel } from '../../src/model/synthetic.ts'
import { tensorShapes } from '../../src/model/tensors.ts'
import { commitTrace } from '../../src/trace/commit.ts'
import { openStep } from '../../src/trace/open.ts'
import { stepOpeningCodec } from '../../src/trace/opening.ts'
import { sampleSteps } from '../../src/trace/sample-steps.ts'
import { stepCount } from '../../src/trace/step-ref.ts'
import { subtreesOf } from '../../src/trace/subtrees.ts'
import type { StepRef, Trace } from '../../src/trace/types.ts'
import type { UnitTask } from '../../src/unit/types.ts'
import { commitLeaves, leavesOf, task } from '../trace-fixture.ts'

const SEED = '5e'.repeat(32)

/** Tasks that the unit model executes. */
export const TASKS: Readonly<Record<string, UnitTask>> = {
  greedy: task(),
  'one new token': task({ promptTokens: [256, 65], maxNewTokens: 1 }),
  'temperature 0.9': task({ maxNewTokens: 12 }, { temperatureMilli: 900, seed: hexToBytes(SEED), stopAtEos: true }),
  'all positions': task({ promptTokens: Array.from({ length: 40 }, (_, i) => (7 * i) % 256), maxNewTokens: 25 }),
}

const REFS: readonly StepRef[] = [
  { kind: 'shape', layer: 0, group: 0, position: 0 },
  { kind: 'input', layer: 0, group: 0, position: 0 },
  { kind: 'embed', layer: 0, group: 0, position: 8 },
  { kind: 'kv', layer: 1, group: 1, position: 3 },
  { kind: 'attend', layer: 1, group: 0, position: 4 },
  { kind: 'proj', layer: 0, group: 0, position: 10 },
  { kind: 'ffn', layer: 1, group: 0, position: 0 },
  { kind: 'head', layer: 0, group: 0, position: 6 },
]

/** Traces of `greedy` with one committed byte changed: the sub-root, the leaf, the byte, and the step that shows it. */
const LIES: readonly { subroot: number; leaf: number; byte: number; ref: StepRef; code: string }[] = [
  { subroot: 0, leaf: 0, byte: 4, ref: REFS[0]!, code: 'TRACE_DIMENSIONS' },
  { subroot: 1, leaf: 0, byte: 4, ref: REFS[1]!, code: 'STEP_MISMATCH' },
  { subroot: 1, leaf: 0, byte: 29, ref: REFS[7]!, code: 'TRACE_LEAF' },
  { subroot: 2, leaf: 0, byte: 0, ref: { ...REFS[2]!, position: 0 }, code: 'STEP_MISMATCH' },
  { subroot: 4, leaf: 0, byte: 8, ref: { ...REFS[3]!, layer: 0, group: 0, position: 0 }, code: 'STEP_MISMATCH' },
]

function lie({ subroot, leaf, byte, ref, code }: (typeof LIES)[number], trace: Trace): unknown {
  const leaves = leavesOf(trace)
  leaves[subroot]![leaf]![byte]! ^= 1
  const forged = commitLeaves(leaves)
  return {
    subroot,
    leaf,
    byte,
    traceRoot: bytesToHex(forged.traceRoot),
    opening: bytesToHex(stepOpeningCodec.encode(forged.open(trace.shape, ref))),
    expected: 'reject',
    code,
  }
}

export function buildTraceVectors(): unknown {
  const model = unitModel()
  const { config, manifest } = model
  const greedy = executeUnit(model, TASKS.greedy!)
  const commitment = commitTrace(greedy)
  const { tokenizerHash, ...numbers } = config
  return {
    about:
      'The model of the preset `unit`, units it executes, and steps of the first one. Hex is bytes in order; rows are as in leaves (TRC-2).',
    model: {
      config: { ...numbers, tokenizerHash: bytesToHex(tokenizerHash) },
      tensorRoots: tensorShapes(config).map(({ name }, i) => ({
        name,
        root: bytesToHex(manifest.tensorRoots[i]!),
      })),
      manifest: bytesToHex(encodeManifest(manifest)),
      modelId: bytesToHex(model.modelId),
    },
    units: Object.entries(TASKS).map(([name, unitTask]) => {
      const trace = executeUnit(model, unitTask)
      const committed = commitTrace(trace)
      const { temperatureMilli, seed, stopAtEos } = unitTask.decoding
      return {
        name,
        promptTokens: tokenText(unitTask.promptTokens),
        maxNewTokens: unitTask.maxNewTokens,
        temperatureMilli,
        seed: bytesToHex(seed),
        stopAtEos,
        tokens: tokenText(trace.tokens),
        traceRoot: bytesToHex(committed.traceRoot),
      }
    }),
    greedy: {
      subtrees: subtreesOf(greedy.shape).map((subtree, i) => ({
        ...subtree,
        root: bytesToHex(commitment.subroots[i]!),
        firstLeaf: bytesToHex(leavesOf(greedy)[i]![0]!),
      })),
      stepCount: stepCount(greedy.shape),
      samples: [0, 1].map((byte) => ({
        seed: bytesToHex(new Uint8Array(32).fill(byte)),
        steps: sampleSteps(new Uint8Array(32).fill(byte), greedy.shape, 6).map(refText),
      })),
      steps: REFS.map((ref) => ({
        ref: refText(ref),
        traceRoot: bytesToHex(commitment.traceRoot),
        opening: bytesToHex(stepOpeningCodec.encode(openStep(greedy, commitment, ref))),
        expected: 'valid',
      })),
      lies: LIES.map((entry) => lie(entry, greedy)),
    },
  }
}

const refText = ({ kind, layer, group, position }: StepRef): string => `${kind} ${layer} ${group} ${position}`
const tokenText = (tokens: ArrayLike<number>): string => Array.from(tokens).join(' ')
