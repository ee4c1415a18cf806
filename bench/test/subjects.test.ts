/** The subjects that need nothing but the project, on shapes of milliseconds, in their real processes. */
import { createFastHash, createKernels, createUnitEngine } from '@nacre/engine'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Host } from '../src/host/host.ts'
import { millisecondsPerToken } from '../src/host/llama-host.ts'
import { compile, parseAnswer } from '../src/host/native-host.ts'
import { nodeHost } from '../src/host/node-host.ts'
import { hostOf } from '../src/hosts.ts'
import type { Job, LotteryPart, UnitWork } from '../src/jobs.ts'
import { checksum, OPERAND_SEED, operand, unsignedOperand, WEIGHT_SEED } from '../src/operands.ts'
import { devnetModel, devnetModelParams, drawKeys, task } from '../src/subjects/devnet.ts'
import { nacreRedraw, REDRAW_PARENT } from '../src/subjects/nacre-redraw.ts'
import { encodeFields, matMulIntegerModel, ONNX_UINT8 } from '../src/subjects/onnx-model.ts'

const product: Job = { kind: 'gemm', types: 's8s8', m: 5, k: 24, n: 40, threads: 1 }
function checksumOfProduct(): number {
  const a = operand(5 * 24, OPERAND_SEED)
  const w = operand(40 * 24, WEIGHT_SEED)
  const expected = Int32Array.from({ length: 5 * 40 }, (_, at) => {
    const [i, j] = [Math.floor(at / 40), at % 40]
    let sum = 0
    for (let c = 0; c < 24; c++) sum += a[i * 24 + c]! * w[j * 24 + c]!
    return sum
  })
  return checksum(expected, 5, 40)
}

const works: readonly UnitWork[] = [
  ...(['unit', 'unit-new-parent', 'trace-only', 'tokens-only', 'replay', 'commit-trace'] as const),
  ...(['prove-ticket', 'verify-ticket', 'verify-ticket-cached', 'open-steps', 'check-steps'] as const),
  ...(['redraw-16', 'redraw-64', 'redraw-96'] as const),
]
const parts: readonly LotteryPart[] = ['plain', 'unfolded', 'fold', 'whole', 'tile']

describe('the engine as a subject', () => {
  let host: Host
  let version: string
  beforeAll(async () => {
    host = hostOf('nacre')
    version = await host.start()
  })
  afterAll(() => host.stop())
  const milliseconds = async (job: Job): Promise<number> => {
    const answer = await host.measure(job, 0)
    if (!('measured' in answer)) throw new Error(JSON.stringify(answer))
    return answer.measured.ms
  }

  test('says which kernels it has', () => {
    expect(version).toMatch(/kernels/)
  })

  test('multiplies as the reference does', async () => {
    const reference = hostOf('reference')
    const scalar = hostOf('scalar')
    try {
      await Promise.all([reference.start(), scalar.start()])
      const answers = await Promise.all([host, scalar, reference].map((each) => each.measure(product, 0)))
      const sums = answers.map((answer) => ('measured' in answer ? answer.measured.checksum : answer))
      expect(sums).toEqual([1, 2, 3].map(() => checksumOfProduct()))
    } finally {
      await Promise.all([reference.stop(), scalar.stop()])
    }
  })

  test.each(works)('does %s', async (work) => {
    expect(await milliseconds({ kind: 'unit', work })).toBeGreaterThan(0)
  })

  test.each(parts)('does the part %s of a lottery', async (part) => {
    expect(await milliseconds({ kind: 'lottery', part, m: 64, k: 128, n: 128, r: 64 })).toBeGreaterThan(0)
  })

  test('does the same on two threads', async () => {
    const [one, two] = [await host.measure(product, 0), await host.measure({ ...product, threads: 2 }, 0)]
    if (!('measured' in two)) throw new Error(JSON.stringify(two))
    expect(two.measured.checksum).toBe(checksumOfProduct())
    expect(one).toHaveProperty('measured')
    expect(await milliseconds({ kind: 'tokens', model: 'devnet', phase: 'prompt', threads: 2 })).toBeGreaterThan(0)
  })

  test('generates tokens and hashes', async () => {
    expect(await milliseconds({ kind: 'tokens', model: 'devnet', phase: 'decode', threads: 1 })).toBeGreaterThan(0)
    expect(await milliseconds({ kind: 'hash', bytes: 64 })).toBeGreaterThan(0)
  })

  test('says what it cannot do', async () => {
    expect(await host.measure({ ...product, types: 'f32' }, 0)).toHaveProperty('unsupported')
  })
})

describe('tickets drawn again from a kept trace', () => {
  test.each([16, 40, 96])('are those of the engine, for a prompt of %i', async (promptTokens) => {
    const hash = await createFastHash()
    const kernels = await createKernels()
    const model = await devnetModel(hash)
    const again = nacreRedraw(kernels, hash, model, promptTokens)
    const engine = createUnitEngine({ model, kernels, hash, lottery: devnetModelParams })
    // The same trace under another unit id.
    for (const i of [0, 5]) {
      const unit = { task: task(0, promptTokens), modelParams: devnetModelParams, ...drawKeys(i, REDRAW_PARENT) }
      const { best, tickets } = engine.runUnit(unit)
      expect(again.draw(i)).toEqual(best)
      expect(again.tickets).toBe(tickets)
    }
  })
})

describe('processes', () => {
  test('that do not start say why', async () => {
    const missing = nodeHost('there-is-no-such-subject')
    await expect(missing.start()).rejects.toThrow(/failed: .*there-is-no-such-subject/)
    const flag = nodeHost('reference', ['--no-such-flag-of-node'])
    await expect(flag.start()).rejects.toThrow(/failed: .*no-such-flag-of-node/)
  })

  test('that end are failures, not a wait', async () => {
    const host = hostOf('reference')
    await host.start()
    await host.stop()
    expect(await host.measure(product, 0)).toHaveProperty('failed')
  })

  test('what native subjects answer is read', () => {
    expect(parseAnswer('ok 2.5 7 12345 brg:avx512 x')).toEqual({
      measured: { ms: 2.5, runs: 7, checksum: 12345, note: 'brg:avx512 x' },
    })
    expect(parseAnswer('ok 1 1 0')).toEqual({ measured: { ms: 1, runs: 1, checksum: 0 } })
    expect(parseAnswer('error bad request')).toEqual({ failed: 'bad request' })
    expect(millisecondsPerToken('achieved tok/s: 250.0\n')).toBe(4)
    expect(() => millisecondsPerToken('')).toThrow(/how fast/)
  })

  test('what does not compile is a reason, with or without a compiler', async () => {
    await expect(compile(['-x', 'c', '/nonexistent/file.c'], 'c', 'that')).rejects.toThrow(/that/)
  })
})

describe('ONNX models', () => {
  test('are the bytes of the schema', () => {
    expect([...encodeFields([[1, 8]])]).toEqual([0x08, 8])
    expect([...encodeFields([[2, 'W']])]).toEqual([0x12, 1, 0x57])
    expect([...encodeFields([[1, [[1, 300]]]])]).toEqual([0x0a, 3, 0x08, 0xac, 0x02])
  })

  test('hold the weights', () => {
    const model = matMulIntegerModel(1, 2, 3, ONNX_UINT8, Int8Array.of(1, 2, 3, -1, -2, -3))
    expect(Buffer.from(model).includes(Buffer.from(Int8Array.of(1, 2, 3, -1, -2, -3).buffer))).toBe(true)
    expect(Buffer.from(model).includes('MatMulInteger')).toBe(true)
  })

  test('get operands that are the signed ones, moved', () => {
    const moved = [...unsignedOperand(9, OPERAND_SEED)].map((value) => value - 63)
    expect(moved).toEqual([...operand(9, OPERAND_SEED)])
  })
})
