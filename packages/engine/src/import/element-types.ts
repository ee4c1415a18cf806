/** The number formats of other projects' tensors. All are little-endian. */

export interface ElementType {
  readonly name: string
  /** Rows are stored in blocks of so many values and bytes. */
  readonly blockValues: number
  readonly blockBytes: number
  /** Decodes whole blocks into as many values. */
  decode(bytes: Uint8Array, out: Float32Array): void
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export const F32: ElementType = {
  name: 'F32',
  blockValues: 1,
  blockBytes: 4,
  decode: (bytes, out) => {
    const view = viewOf(bytes)
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true)
  },
}

export const F16: ElementType = {
  name: 'F16',
  blockValues: 1,
  blockBytes: 2,
  decode: (bytes, out) => {
    const view = viewOf(bytes)
    const table = halfTable()
    for (let i = 0; i < out.length; i++) out[i] = table[view.getUint16(2 * i, true)]!
  },
}

/** The upper half of a binary32. */
export const BF16: ElementType = {
  name: 'BF16',
  blockValues: 1,
  blockBytes: 2,
  decode: (bytes, out) => {
    const view = viewOf(bytes)
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length)
    for (let i = 0; i < bits.length; i++) bits[i] = view.getUint16(2 * i, true) << 16
  },
}

/** GGUF: 32 int8 values behind one binary16 scale. */
export const Q8_0: ElementType = {
  name: 'Q8_0',
  blockValues: 32,
  blockBytes: 34,
  decode: (bytes, out) => {
    const view = viewOf(bytes)
    const table = halfTable()
    for (let block = 0, at = 0; at < out.length; block += 34) {
      const scale = table[view.getUint16(block, true)]!
      for (let i = 0; i < 32; i++) out[at++] = scale * view.getInt8(block + 2 + i)
    }
  },
}

/** Bytes of a row; undefined if the columns do not fill its blocks. */
export function rowBytes({ blockValues, blockBytes }: ElementType, columns: number): number | undefined {
  return columns % blockValues === 0 ? (columns / blockValues) * blockBytes : undefined
}

let halves: Float32Array | undefined

/** All 65,536 binary16 values. */
function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1
    const exponent = (bits >> 10) & 0x1f
    const fraction = bits & 0x3ff
    if (exponent === 0) return sign * fraction * 2 ** -24
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
  })
  return halves
}
