/** The noise of the Pearl baseline (chapter 12): a fast twin of the reference's, many random blocks at a time. */
import { type KeyedHash, pearl } from '@nacre/protocol'
import { batchOf } from '../hashing/batch-hash.ts'
import type { FactoredNoise } from '../kernels/types.ts'
import { randomBytes, uniformValues } from '../run/noise.ts'

const TWO_32 = 2 ** 32

/**
 * The factors of an operand's noise: `uniform` is rows x r, the sparse positions are drawn one by one over the k columns.
 * @param label `pearl.LABEL_A` or `LABEL_B`. @param seed 32 bytes. @param r a power of two.
 */
export function pearlNoise(
  label: string,
  seed: Uint8Array,
  rows: number,
  k: number,
  r: number,
  hash: KeyedHash,
): FactoredNoise {
  const batch = batchOf(hash)
  const bytes = randomBytes(label, seed, pearl.SLOT_SPARSE, 4 * k, batch)
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const plus = new Uint16Array(k)
  const minus = new Uint16Array(k)
  for (let c = 0; c < k; c++) {
    const u = words.getUint32(4 * c, true)
    const first = u & (r - 1)
    plus[c] = first
    minus[c] = first ^ (1 + Math.floor(((r - 1) * u) / TWO_32))
  }
  return { uniform: uniformValues(label, seed, 0, rows * r, batch), sparse: { plus, minus } }
}
