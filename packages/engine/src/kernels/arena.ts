/** Lays out buffers in one flat memory before it exists: all sizes are known from the model. */
export class Arena {
  #end: number

  /** @param start the first free byte. By default bytes 0..63 stay free: they belong to the kernels. */
  constructor(start = 64) {
    this.#end = start
  }

  /** Reserves `bytes` and returns their offset, a multiple of 64. */
  reserve(bytes: number): number {
    const offset = this.#end
    this.#end = Math.ceil((offset + bytes) / 64) * 64
    return offset
  }

  get bytes(): number {
    return this.#end
  }
}
