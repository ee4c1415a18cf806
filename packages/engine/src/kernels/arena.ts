/** Lays out buffers in one flat memory before it exists: all sizes are known from the model. */
export class Arena {
  /** Bytes 0..63 belong to the kernels. */
  #end = 64

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
