import type { Trace } from '@nacre/protocol'

type Bits = Float32Array | Int8Array | Uint8Array | Int32Array | Uint32Array

/** Bit for bit: +0 and -0 differ. */
export function sameBits(a: Bits, b: Bits): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))
}

/** The first part in which two traces differ, or undefined. */
export function traceDifference(actual: Trace, expected: Trace): string | undefined {
  const { promptTokens, newTokens } = expected.shape
  if (actual.shape.promptTokens !== promptTokens || actual.shape.newTokens !== newTokens) return 'shape'
  if (!sameBits(actual.tokens, expected.tokens)) return 'tokens'
  for (const part of ['h', 'k', 'kScale', 'v', 'vScale', 'o', 'oScale', 'x'] as const) {
    if (actual[part].length !== expected[part].length) return `number of ${part}`
    for (let layer = 0; layer < expected[part].length; layer++) {
      if (!sameBits(actual[part][layer]!, expected[part][layer]!)) return `${part}[${layer}]`
    }
  }
  return undefined
}
