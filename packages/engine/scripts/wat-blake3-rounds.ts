/** BLAKE3's rounds as WebAssembly text, once over vectors whose lanes are four messages and once over single words. */
import { BLOCK_OFFSET, CHAIN_OFFSET } from '../src/hashing/layout.ts'

const ROUNDS = 7
const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a] as const
/** Message word i of the next round is word PERMUTATION[i] of this one. */
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8] as const
/** State words of the eight G of a round: four columns, then four diagonals. */
const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const
type Rotation = 16 | 12 | 8 | 7

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
export const lines = (parts: readonly string[]): string => parts.join('\n')
export const get = (name: string): string => `(local.get $${name})`
export const set = (name: string, value: string): string => `(local.set $${name} ${value})`
export const i32 = (value: number): string => `(i32.const ${value})`

/** How a word, or one word of each of four messages, is computed with. */
export interface Word {
  readonly type: 'i32' | 'v128'
  readonly bytes: 4 | 16
  add(a: string, b: string): string
  rotateRight(value: string, bits: Rotation): string
  constant(value: number): string
  /** A word that all messages have in common, from an i32. */
  common(value: string): string
}

/** Byte indices that rotate each word of a vector right by whole bytes. */
const byteRotation = (bytes: number): string =>
  range(16)
    .map((i) => (i & ~3) | ((i + bytes) & 3))
    .join(' ')

/** Needs locals $t and, holding {@link ROTATE_8_INDICES}, $rotate8. */
export const FOUR_WORDS: Word = {
  type: 'v128',
  bytes: 16,
  add: (a, b) => `(i32x4.add ${a} ${b})`,
  rotateRight: (value, bits) => {
    switch (bits) {
      case 16:
        return `(i8x16.shuffle ${byteRotation(2)} (local.tee $t ${value}) ${get('t')})`
      case 8:
        return `(i8x16.swizzle ${value} ${get('rotate8')})`
      default:
        return `(v128.or (i32x4.shr_u (local.tee $t ${value}) ${i32(bits)}) (i32x4.shl ${get('t')} ${i32(32 - bits)}))`
    }
  },
  constant: (value) => `(v128.const i32x4 ${value} ${value} ${value} ${value})`,
  common: (value) => `(i32x4.splat ${value})`,
}
export const ROTATE_8_INDICES: string = `(v128.const i8x16 ${byteRotation(1)})`

export const ONE_WORD: Word = {
  type: 'i32',
  bytes: 4,
  add: (a, b) => `(i32.add ${a} ${b})`,
  rotateRight: (value, bits) => `(i32.rotr ${value} ${i32(bits)})`,
  constant: i32,
  common: (value) => value,
}

export const loadAt = ({ type, bytes }: Word, offset: number, i: number): string =>
  `(${type}.load offset=${offset + bytes * i} (i32.const 0))`
export const storeAt = ({ type, bytes }: Word, offset: number, i: number, value: string): string =>
  `(${type}.store offset=${offset + bytes * i} (i32.const 0) ${value})`

/** The function G on state words a, b, c, d with message words x and y, as eight statements. */
function quarter(word: Word, [a, b, c, d]: readonly number[], x: number, y: number): string[] {
  const v = (i: number | undefined): string => get(`v${i}`)
  const xor = (i: number | undefined, j: number | undefined): string => `(${word.type}.xor ${v(i)} ${v(j)})`
  const half = (message: number, rotateD: Rotation, rotateB: Rotation): string[] => [
    set(`v${a}`, word.add(word.add(v(a), loadAt(word, BLOCK_OFFSET, message)), v(b))),
    set(`v${d}`, word.rotateRight(xor(d, a), rotateD)),
    set(`v${c}`, word.add(v(c), v(d))),
    set(`v${b}`, word.rotateRight(xor(b, c), rotateB)),
  ]
  return [...half(x, 16, 12), ...half(y, 8, 7)]
}

function rounds(word: Word): string {
  const out: string[] = []
  let message: number[] = range(16)
  for (let round = 0; round < ROUNDS; round++) {
    const quarters = QUARTERS.map((state, j) => quarter(word, state, message[2 * j]!, message[2 * j + 1]!))
    for (let j = 0; j < quarters.length; j += 2) {
      quarters[j]!.forEach((statement, s) => {
        out.push(statement, quarters[j + 1]![s]!)
      })
    }
    message = PERMUTATION.map((from) => message[from]!)
  }
  return lines(out)
}

export const stateLocals = (word: Word): string =>
  range(16)
    .map((i) => `(local $v${i} ${word.type})`)
    .join(' ')

/**
 * One compression of the words at BLOCK: the chaining value at CHAIN becomes the next. `counter` is a word; locals $length and
 * $blockFlags are i32.
 */
export function compress(word: Word, counter: string): string {
  return lines([
    ...range(8).map((i) => set(`v${i}`, loadAt(word, CHAIN_OFFSET, i))),
    ...IV.map((value, i) => set(`v${8 + i}`, word.constant(value))),
    set('v12', counter),
    // The upper half of the counter: no input is that long.
    set('v13', word.constant(0)),
    set('v14', word.common(get('length'))),
    set('v15', word.common(get('blockFlags'))),
    rounds(word),
    ...range(8).map((i) => storeAt(word, CHAIN_OFFSET, i, `(${word.type}.xor ${get(`v${i}`)} ${get(`v${8 + i}`)})`)),
  ])
}
