/** Checks of plain arguments: whoever calls from outside gets PEARL_ARGUMENT, and nothing is allocated by a wrong number. */
import { check } from '../errors.ts'

/** A value for a message: other things than numbers may not even have a text. */
export function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : typeof value
}

/** Throws PEARL_ARGUMENT unless `value` is an integer in min..max. */
export function checkInteger(name: string, value: number, min: number, max: number): void {
  check(
    Number.isInteger(value) && value >= min && value <= max,
    'PEARL_ARGUMENT',
    `${name} ${shown(value)} is no integer in ${min}..${max}`,
  )
}

/** Throws PEARL_ARGUMENT unless `bytes` are exactly `length` bytes. */
export function checkBytes(name: string, bytes: Uint8Array, length: number): void {
  check(bytes instanceof Uint8Array, 'PEARL_ARGUMENT', `${name} is no Uint8Array`)
  check(bytes.length === length, 'PEARL_ARGUMENT', `${name} has ${bytes.length} bytes, not ${length}`)
}

/** Throws PEARL_ARGUMENT unless `r` can index the words of a sparse factor: a power of two in 2..65536. */
export function checkPowerOfTwo(name: string, r: number): void {
  checkInteger(name, r, 2, 65536)
  check((r & (r - 1)) === 0, 'PEARL_ARGUMENT', `${name} ${r} is no power of two`)
}
