import type { Host } from './host/host.ts'
import { llamaHost } from './host/llama-host.ts'
import { type NativeOptions, nativeHost } from './host/native-host.ts'
import { nodeHost } from './host/node-host.ts'
import type { SubjectId } from './section.ts'

const ONEDNN: NativeOptions = { source: 'onednn.cpp', library: 'oneDNN', flags: ['-ldnnl', '-fopenmp'] }

/** How each subject runs. */
export function hostOf(id: SubjectId): Host {
  switch (id) {
    case 'nacre':
      return nodeHost('nacre')
    case 'revectorize':
      return nodeHost('nacre-wide', ['--experimental-wasm-revectorize'])
    case 'simd':
      return nodeHost('nacre-simd')
    case 'scalar':
      return nodeHost('scalar')
    case 'reference':
      return nodeHost('reference')
    case 'onnxruntime':
      return nodeHost('onnxruntime')
    case 'onednn':
      return nativeHost(ONEDNN)
    case 'onednnAvx2':
      return nativeHost({ ...ONEDNN, env: { DNNL_MAX_CPU_ISA: 'AVX2' } })
    case 'openblas':
      return nativeHost({ source: 'openblas.cpp', library: 'OpenBLAS', flags: ['-lopenblas'] })
    case 'llama2c':
      return llamaHost('-O3')
    case 'llama2cFast':
      return llamaHost('-Ofast')
  }
}
