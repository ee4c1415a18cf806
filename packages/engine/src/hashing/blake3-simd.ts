import { type BatchHash, checkBatch, checkKey, DIGEST_BYTES } from './batch-hash.ts'
import { BLAKE3_BASE64 } from './binary.ts'
import {
  BLOCK_BYTES,
  CHUNK_BYTES,
  FLAGS,
  INPUT_BYTES,
  INPUT_OFFSET,
  KEY_OFFSET,
  OUTPUT_BYTES,
  OUTPUT_OFFSET,
} from './layout.ts'

/** The part of the JavaScript interface that is used; the compiler's library has it only with the DOM. */
interface WasmModule {
  readonly wasmModule: never
}
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<WasmModule>
  Instance: new (module: WasmModule) => { readonly exports: unknown }
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** As in `scripts/wat-blake3.ts`. */
  hashMany(...args: number[]): void
  hashOne(...args: number[]): void
}

/** Messages and chaining values that one call of the kernel takes, by their places in its memory. */
interface Call {
  readonly from: number
  readonly stride: number
  readonly count: number
  readonly length: number
  readonly to: number
  readonly toStride: number
}

/** Messages of several chunks are hashed side by side only if at least this many fit the kernel's memory. */
const LANES = 4
const { keyed, chunkStart, chunkEnd, parent, root } = FLAGS

/** BLAKE3 by the SIMD kernel, not yet tested. Rejects where WebAssembly SIMD is missing. */
export async function compileBlake3(): Promise<BatchHash> {
  const binary = Uint8Array.from(atob(BLAKE3_BASE64), (char) => char.charCodeAt(0))
  const module = await WebAssembly.compile(binary)
  const hasher = new Hasher(new WebAssembly.Instance(module).exports as Exports)
  return Object.assign((key: Uint8Array, data: Uint8Array) => hasher.one(key, data), {
    implementation: 'wasm-simd' as const,
    many: (...batch: Parameters<BatchHash['many']>) => hasher.many(...batch),
  })
}

class Hasher {
  readonly #memory: Uint8Array
  readonly #exports: Exports

  constructor(exports: Exports) {
    this.#memory = new Uint8Array(exports.memory.buffer)
    this.#exports = exports
  }

  one(key: Uint8Array, data: Uint8Array): Uint8Array {
    checkKey(key)
    this.#memory.set(key, KEY_OFFSET)
    return this.#one(data)
  }

  many(
    key: Uint8Array,
    input: Uint8Array,
    count: number,
    lengthBytes: number,
    out: Uint8Array = new Uint8Array(count * DIGEST_BYTES),
  ): Uint8Array {
    checkBatch(key, input, count, lengthBytes, out)
    this.#memory.set(key, KEY_OFFSET)
    const chunks = Math.max(1, Math.ceil(lengthBytes / CHUNK_BYTES))
    const most = Math.min(
      Math.floor(INPUT_BYTES / Math.max(1, lengthBytes)),
      Math.floor(OUTPUT_BYTES / (chunks * DIGEST_BYTES)),
    )
    for (let done = 0; done < count; ) {
      const group = Math.min(most, count - done)
      const sideBySide = chunks === 1 || group >= LANES
      const taken = sideBySide ? group : 1
      const messages = input.subarray(done * lengthBytes, (done + taken) * lengthBytes)
      if (!sideBySide) out.set(this.#one(messages), done * DIGEST_BYTES)
      else {
        this.#memory.set(messages, INPUT_OFFSET)
        if (chunks === 1) this.#chunks(packed(taken, lengthBytes), 0, 0, root)
        else this.#sideBySide(taken, lengthBytes, chunks)
        out.set(this.#memory.subarray(OUTPUT_OFFSET, OUTPUT_OFFSET + taken * DIGEST_BYTES), done * DIGEST_BYTES)
      }
      done += taken
    }
    return out
  }

  #one(data: Uint8Array): Uint8Array {
    return data.length <= INPUT_BYTES ? this.#subtree(data, 0, root) : this.#split(data, 0, root)
  }

  /** The chaining value of an input of several subtrees; its left part is the largest power of two of them. */
  #split(data: Uint8Array, firstChunk: number, rootFlag: number): Uint8Array {
    if (data.length <= INPUT_BYTES) return this.#subtree(data, firstChunk, rootFlag)
    let left = INPUT_BYTES
    while (2 * left < data.length) left *= 2
    const pair = new Uint8Array(BLOCK_BYTES)
    pair.set(this.#split(data.subarray(0, left), firstChunk, 0))
    pair.set(this.#split(data.subarray(left), firstChunk + left / CHUNK_BYTES, 0), DIGEST_BYTES)
    this.#memory.set(pair, INPUT_OFFSET)
    this.#parents(packed(1, BLOCK_BYTES), rootFlag)
    return this.#output()
  }

  /** The chaining value of at most INPUT_BYTES, four chunks at a time. */
  #subtree(data: Uint8Array, firstChunk: number, rootFlag: number): Uint8Array {
    this.#memory.set(data, INPUT_OFFSET)
    const chunks = Math.max(1, Math.ceil(data.length / CHUNK_BYTES))
    if (chunks === 1) {
      this.#chunks(packed(1, data.length), firstChunk, 0, rootFlag)
      return this.#output()
    }
    const whole = Math.floor(data.length / CHUNK_BYTES)
    this.#chunks(packed(whole, CHUNK_BYTES), firstChunk, 1, 0)
    if (whole < chunks) {
      const to = OUTPUT_OFFSET + whole * DIGEST_BYTES
      const call = { ...packed(1, data.length - whole * CHUNK_BYTES), from: INPUT_OFFSET + whole * CHUNK_BYTES, to }
      this.#chunks(call, firstChunk + whole, 0, 0)
    }
    for (let width = chunks; width > 1; ) {
      const pairs = width >>> 1
      this.#parents({ ...packed(pairs, BLOCK_BYTES), from: OUTPUT_OFFSET }, width === 2 ? rootFlag : 0)
      if (width % 2 === 1) this.#move(width - 1, pairs)
      width = pairs + (width % 2)
    }
    return this.#output()
  }

  /** Messages of several chunks, the same chunk of all messages at once; then the same pair of chaining values of all. */
  #sideBySide(count: number, length: number, chunks: number): void {
    const toStride = chunks * DIGEST_BYTES
    for (let chunk = 0; chunk < chunks; chunk++) {
      const start = chunk * CHUNK_BYTES
      const places = { from: INPUT_OFFSET + start, stride: length, to: OUTPUT_OFFSET + chunk * DIGEST_BYTES, toStride }
      this.#chunks({ ...places, count, length: Math.min(CHUNK_BYTES, length - start) }, chunk, 0, 0)
    }
    for (let width = chunks; width > 1; ) {
      const pairs = width >>> 1
      for (let pair = 0; pair < pairs; pair++) {
        const from = OUTPUT_OFFSET + pair * BLOCK_BYTES
        const to = OUTPUT_OFFSET + pair * DIGEST_BYTES
        const call = { from, stride: toStride, count, length: BLOCK_BYTES, to, toStride }
        this.#parents(call, width === 2 ? root : 0)
      }
      if (width % 2 === 1) {
        for (let i = 0; i < count; i++) this.#move(i * chunks + width - 1, i * chunks + pairs)
      }
      width = pairs + (width % 2)
    }
    for (let i = 1; i < count; i++) this.#move(i * chunks, i)
  }

  #chunks(call: Call, counter: number, counterStep: number, rootFlag: number): void {
    this.#call(call, counter, counterStep, keyed, chunkStart, chunkEnd | rootFlag)
  }

  #parents(call: Call, rootFlag: number): void {
    this.#call(call, 0, 0, keyed | parent, 0, rootFlag)
  }

  #call(call: Call, counter: number, counterStep: number, flags: number, first: number, last: number): void {
    const { from, stride, count, length, to, toStride } = call
    if (count === 1) this.#exports.hashOne(from, length, to, counter, flags, first, last)
    else this.#exports.hashMany(from, stride, count, length, to, toStride, counter, counterStep, flags, first, last)
  }

  /** Moves a chaining value within the output. */
  #move(from: number, to: number): void {
    const start = OUTPUT_OFFSET + from * DIGEST_BYTES
    this.#memory.copyWithin(OUTPUT_OFFSET + to * DIGEST_BYTES, start, start + DIGEST_BYTES)
  }

  #output(): Uint8Array {
    return this.#memory.slice(OUTPUT_OFFSET, OUTPUT_OFFSET + DIGEST_BYTES)
  }
}

/** Messages one after the other in the input, digests in the output. */
function packed(count: number, length: number): Call {
  return { from: INPUT_OFFSET, stride: length, count, length, to: OUTPUT_OFFSET, toStride: DIGEST_BYTES }
}
