/** Assembles the kernels and writes `src/kernels/binary.ts`: node packages/engine/scripts/build-kernels.ts */
import { writeFileSync } from 'node:fs'
import { assembleKernels, kernelModule } from './assemble.ts'

const target = new URL('../src/kernels/binary.ts', import.meta.url)
const variants = await assembleKernels()
writeFileSync(target, kernelModule(variants))
for (const { name, binary } of variants) console.log(`${name}: ${binary.length} bytes of WebAssembly`)
console.log('written to src/kernels/binary.ts')
