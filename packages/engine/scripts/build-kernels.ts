/** Assembles the kernels and writes `src/kernels/binary.ts`: node packages/engine/scripts/build-kernels.ts */
import { writeFileSync } from 'node:fs'
import { assembleKernels, kernelModule } from './assemble.ts'

const target = new URL('../src/kernels/binary.ts', import.meta.url)
const binary = await assembleKernels()
writeFileSync(target, kernelModule(binary))
console.log(`${binary.length} bytes of WebAssembly written to src/kernels/binary.ts`)
