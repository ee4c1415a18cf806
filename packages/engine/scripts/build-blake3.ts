/** Assembles the hash kernel and writes `src/hashing/binary.ts`: node packages/engine/scripts/build-blake3.ts */
import { writeFileSync } from 'node:fs'
import { assembleBlake3, blake3Module } from './assemble-blake3.ts'

const binary = await assembleBlake3()
writeFileSync(new URL('../src/hashing/binary.ts', import.meta.url), blake3Module(binary))
console.log(`${binary.length} bytes of WebAssembly written to src/hashing/binary.ts`)
