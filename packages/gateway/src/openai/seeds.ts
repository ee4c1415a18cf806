import { createHash, randomBytes } from 'node:crypto'

/**
 * The decoding seed of one sample. With a seed in the request it depends on that, the prompt's and the sample's number and nothing else, so
 * that the same request gives the same answers; without, it is random.
 */
export function decodingSeed(seed: number | undefined, prompt: number, sample: number): Uint8Array {
  if (seed === undefined) return new Uint8Array(randomBytes(32))
  return new Uint8Array(createHash('sha256').update(`nacre-gateway/1/seed/${seed}/${prompt}/${sample}`).digest())
}
