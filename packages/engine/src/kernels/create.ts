import { glueTest } from './glue-test.ts'
import { scalarKernels } from './scalar.ts'
import { selfTest, selfTestOf } from './self-test.ts'
import type { KernelFactory, KernelName } from './types.ts'
import { compileWasmKernels, type WasmKernelName } from './wasm.ts'

/** What noised weights may have to be offset by, see {@link compileWasmKernels}. */
const NOISED_OFFSETS = [128, 0] as const

/**
 * The fastest kernels that work here (MOD-6): the first of relaxed SIMD, SIMD128 and plain TypeScript that compiles and agrees
 * with the reference on whole products, with the reasons why the ones before it do not. Compiled code is tested twice, before
 * and after V8 has had time to optimise it.
 * @param only asks for one implementation and rejects if it does not work.
 * @param wide tries first the kernels for V8's `--experimental-wasm-revectorize`, which must have been set before.
 */
export async function createKernels(only?: KernelName, wide = false): Promise<KernelFactory> {
  const candidates: readonly KernelName[] =
    only !== undefined
      ? [only]
      : [...(wide ? (['wasm-relaxed-wide'] as const) : []), 'wasm-relaxed', 'wasm-simd', 'scalar']
  const reasons: string[] = []
  for (const name of candidates) {
    try {
      const factory = await createOne(name)
      return reasons.length === 0 ? factory : { ...factory, fallbackReason: reasons.join('; ') }
    } catch (error) {
      if (only !== undefined) throw error
      reasons.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new Error(reasons.join('; '))
}

async function createOne(name: KernelName): Promise<KernelFactory> {
  if (name === 'scalar') {
    const factory = scalarKernels(undefined)
    selfTest(factory)
    return factory
  }
  if (name === 'wasm-simd') return tested(name, 0)
  let failure: unknown
  for (const offset of NOISED_OFFSETS) {
    try {
      return await tested(name, offset)
    } catch (error) {
      failure ??= error
    }
  }
  throw failure
}

async function tested(name: WasmKernelName, offset: 0 | 128): Promise<KernelFactory> {
  const factory = await compileWasmKernels(name, offset)
  const products = selfTestOf(factory)
  const test = (): void => {
    products()
    glueTest(factory)
  }
  for (let i = 0; i < WARM_ROUNDS; i++) test()
  // The optimising compiler works in the background; what it has made is used from the next call on.
  await new Promise((resolve) => setTimeout(resolve, 0))
  test()
  return factory
}

/** Enough work for V8 to compile the loops of the products with its optimising compiler. */
const WARM_ROUNDS = 12
