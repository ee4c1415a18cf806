import type { Host } from './host/host.ts'
import { llamaHost } from './host/llama-host.ts'
import { nativeHost } from './host/native-host.ts'
import { nodeHost } from './host/node-host.ts'
import type { SubjectId } from './plan.ts'

/** How each subject runs. */
export function hostOf(id: SubjectId): Host {
  switch (id) {
    case 'nacre':
      return nodeHost('nacre')
    case 'revectorize':
      return nodeHost('nacre', ['--experimental-wasm-revectorize'])
    case 'scalar':
      return nodeHost('scalar')
    case 'reference':
      return nodeHost('reference')
    case 'onnxruntime':
      return nodeHost('onnxruntime')
    case 'onednn':
      return nativeHost({ source: 'onednn.cpp', library: 'oneDNN', flags: ['-ldnnl', '-fopenmp'] })
    case 'openblas':
      return nativeHost({ source: 'openblas.cpp', library: 'OpenBLAS', flags: ['-lopenblas'] })
    case 'llama2c':
      return llamaHost('-O3')
    case 'llama2cFast':
      return llamaHost('-Ofast')
  }
}
