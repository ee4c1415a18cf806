/** An ONNX model with one MatMulInteger, as bytes: the few fields of the protobuf schema (onnx.proto3) that it takes. */

export const ONNX_UINT8 = 2
export const ONNX_INT8 = 3
const ONNX_INT32 = 6
/** Versions that every runtime of the last years reads. */
const IR_VERSION = 8
const OPSET = 13

type Field = readonly [number, number | string | Uint8Array | readonly Field[]]

/** Wire types: 0 for integers, 2 for everything with a length. */
export function encodeFields(fields: readonly Field[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [number, value] of fields) {
    if (typeof value === 'number') {
      parts.push(varint(number << 3), varint(value))
      continue
    }
    const bytes =
      typeof value === 'string'
        ? new TextEncoder().encode(value)
        : value instanceof Uint8Array
          ? value
          : encodeFields(value as readonly Field[])
    parts.push(varint((number << 3) | 2), varint(bytes.length), bytes)
  }
  return concat(parts)
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let left = value
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) | 128)
  bytes.push(left)
  return Uint8Array.from(bytes)
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** An input or output: name, element type, dimensions. */
function valueInfo(name: string, type: number, dims: readonly number[]): readonly Field[] {
  const shape: Field[] = dims.map((dim) => [1, [[1, dim]]])
  return [
    [1, name],
    [
      2,
      [
        [
          1,
          [
            [1, type],
            [2, shape],
          ],
        ],
      ],
    ],
  ]
}

/**
 * C = MatMulInteger(A, W): A (m x k) of type `aType` is the input `A`, C (m x n) the int32 output `C`, W a constant, so that the runtime can
 * pack it when the model is loaded.
 * @param weights int8, k x n, row-major.
 */
export function matMulIntegerModel(m: number, k: number, n: number, aType: number, weights: Int8Array): Uint8Array {
  const tensor: Field[] = [
    [1, k],
    [1, n],
    [2, ONNX_INT8],
    [8, 'W'],
    [9, new Uint8Array(weights.buffer, weights.byteOffset, weights.length)],
  ]
  const node: Field[] = [
    [1, 'A'],
    [1, 'W'],
    [2, 'C'],
    [4, 'MatMulInteger'],
  ]
  return encodeFields([
    [1, IR_VERSION],
    [
      7,
      [
        [1, node],
        [2, 'product'],
        [5, tensor],
        [11, valueInfo('A', aType, [m, k])],
        [12, valueInfo('C', ONNX_INT32, [m, n])],
      ],
    ],
    [8, [[2, OPSET]]],
  ])
}
