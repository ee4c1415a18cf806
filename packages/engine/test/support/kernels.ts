/** Which kernels this machine must be able to run, found without asking them. */
import loadWabt from 'wabt'
import { createKernels, KERNEL_NAMES, type KernelFactory, type KernelName } from '../../src/index.ts'

/** Minimal view of the API that Node's types do not declare. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: { readonly dot: (a: number, b: number) => number } }
}

const TEXT = `(module (func (export "dot") (param i32 i32) (result i32)
  (i32x4.extract_lane 0 (i32x4.relaxed_dot_i8x16_i7x16_add_s
    (i8x16.splat (local.get 0)) (i8x16.splat (local.get 1)) (v128.const i32x4 0 0 0 0)))))`

/**
 * Whether the relaxed dot product takes a second factor of eight bits exactly, with or without a sign: with AVX-VNNI, or with ARM's
 * dot product. Without them V8 adds pairs in 16 bits, which saturate.
 */
async function isDotExact(): Promise<boolean> {
  const features = { simd: true, relaxed_simd: true }
  const { buffer } = (await loadWabt()).parseWat('dot.wat', TEXT, features).toBinary({})
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly
  const { dot } = new Instance(new Module(buffer)).exports
  const isUnsigned = dot(127, -1) === 4 * 127 * 255 && dot(-127, -1) === -4 * 127 * 255
  const isSigned = dot(127, -1) === -4 * 127 && dot(-127, -127) === 4 * 127 * 127
  return isUnsigned || isSigned
}

const isExact = await isDotExact()

/** Whether these kernels must work here; where not, they must be refused with a reason. */
export const isSupported = (name: KernelName): boolean => isExact || !name.startsWith('wasm-relaxed')

/** All kernels that must work here. Rejects if one of them does not. */
export const supportedKernels = (): Promise<KernelFactory[]> =>
  Promise.all(KERNEL_NAMES.filter(isSupported).map((name) => createKernels(name)))
