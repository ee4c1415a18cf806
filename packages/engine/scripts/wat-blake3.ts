/**
 * The WebAssembly text of keyed BLAKE3 over four messages at a time: lane l of every vector belongs to message l.
 *
 * Why this shape: the sixteen state vectors are locals, of which V8 spills few, and the message words come from memory where
 * they lie transposed. Two of the four independent G of a step are interleaved: one leaves units idle, four spill. A rotation by
 * 16 is a constant shuffle and one by 8 a swizzle whose indices stay in a register; 12 and 7 take shifts.
 */
import {
  BLOCK_BYTES,
  BLOCK_OFFSET,
  CHAIN_OFFSET,
  HASH_PAGES,
  INPUT_BYTES,
  INPUT_OFFSET,
  KEY_OFFSET,
  MASK_OFFSET,
  OUTPUT_BYTES,
  OUTPUT_OFFSET,
  PAGE_BYTES,
} from '../src/hashing/layout.ts'

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

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
const lines = (parts: readonly string[]): string => parts.join('\n')
const LANES = range(4)

const get = (name: string): string => `(local.get $${name})`
const set = (name: string, value: string): string => `(local.set $${name} ${value})`
const i32 = (value: number): string => `(i32.const ${value})`
const vectorAt = (offset: number, i: number): string => `(v128.load offset=${offset + 16 * i} (i32.const 0))`
const storeAt = (offset: number, i: number, value: string): string =>
  `(v128.store offset=${offset + 16 * i} (i32.const 0) ${value})`
const add = (a: string, b: string): string => `(i32x4.add ${a} ${b})`
const xor = (a: string, b: string): string => `(v128.xor ${a} ${b})`

/** Byte indices that rotate each word right by whole bytes. */
const rotation = (bytes: number): string =>
  range(16)
    .map((i) => (i & ~3) | ((i + bytes) & 3))
    .join(' ')
const rotateBy16 = (value: string): string => `(i8x16.shuffle ${rotation(2)} (local.tee $t ${value}) ${get('t')})`
const rotateBy8 = (value: string): string => `(i8x16.swizzle ${value} ${get('rotate8')})`
const rotateBy = (bits: number, value: string): string =>
  `(v128.or (i32x4.shr_u (local.tee $t ${value}) ${i32(bits)}) (i32x4.shl ${get('t')} ${i32(32 - bits)}))`

/** The function G on state words a, b, c, d with message words x and y, as eight statements. */
function quarter([a, b, c, d]: readonly number[], x: number, y: number): string[] {
  const half = (word: number, rotateD: (v: string) => string, bitsB: number): string[] => [
    set(`v${a}`, add(add(get(`v${a}`), vectorAt(BLOCK_OFFSET, word)), get(`v${b}`))),
    set(`v${d}`, rotateD(xor(get(`v${d}`), get(`v${a}`)))),
    set(`v${c}`, add(get(`v${c}`), get(`v${d}`))),
    set(`v${b}`, rotateBy(bitsB, xor(get(`v${b}`), get(`v${c}`)))),
  ]
  return [...half(x, rotateBy16, 12), ...half(y, rotateBy8, 7)]
}

function rounds(): string {
  const out: string[] = []
  let words: number[] = range(16)
  for (let round = 0; round < ROUNDS; round++) {
    const quarters = QUARTERS.map((state, j) => quarter(state, words[2 * j]!, words[2 * j + 1]!))
    for (let j = 0; j < quarters.length; j += 2) {
      quarters[j]!.forEach((statement, s) => {
        out.push(statement, quarters[j + 1]![s]!)
      })
    }
    words = PERMUTATION.map((from) => words[from]!)
  }
  return lines(out)
}

const INTERLEAVE_WORDS = {
  low: '0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23',
  high: '8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31',
}
const JOIN_PAIRS = {
  low: '0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23',
  high: '8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31',
}

/** Four vectors as the rows of a 4 x 4 matrix of words; `store` takes the columns. */
function transpose(rows: readonly string[], store: (column: string, i: number) => string): string {
  const shuffle = (indices: string, a: string, b: string): string => `(i8x16.shuffle ${indices} ${get(a)} ${get(b)})`
  return lines([
    ...rows.map((row, i) => set(`x${i}`, row)),
    set('y0', shuffle(INTERLEAVE_WORDS.low, 'x0', 'x1')),
    set('y1', shuffle(INTERLEAVE_WORDS.low, 'x2', 'x3')),
    set('y2', shuffle(INTERLEAVE_WORDS.high, 'x0', 'x1')),
    set('y3', shuffle(INTERLEAVE_WORDS.high, 'x2', 'x3')),
    store(shuffle(JOIN_PAIRS.low, 'y0', 'y1'), 0),
    store(shuffle(JOIN_PAIRS.high, 'y0', 'y1'), 1),
    store(shuffle(JOIN_PAIRS.low, 'y2', 'y3'), 2),
    store(shuffle(JOIN_PAIRS.high, 'y2', 'y3'), 3),
  ])
}

/** The next block of the four messages, transposed; bytes beyond `length` become zero. */
const loadBlock: string = lines(
  range(4).map((part) => {
    const row = (lane: number): string => `(v128.and ${get('t')} (v128.load offset=${16 * part} ${get(`p${lane}`)}))`
    return lines([
      set('valid', `(i32.sub ${get('length')} ${i32(16 * part)})`),
      set('valid', `(select ${i32(0)} ${get('valid')} (i32.lt_s ${get('valid')} ${i32(0)}))`),
      set('valid', `(select ${i32(16)} ${get('valid')} (i32.gt_s ${get('valid')} ${i32(16)}))`),
      set('t', `(v128.load offset=${MASK_OFFSET} (i32.sub ${i32(16)} ${get('valid')}))`),
      transpose(LANES.map(row), (column, i) => storeAt(BLOCK_OFFSET, 4 * part + i, column)),
    ])
  }),
)

/** One compression of four blocks: CHAIN becomes the next chaining values. */
const compress: string = lines([
  ...range(8).map((i) => set(`v${i}`, vectorAt(CHAIN_OFFSET, i))),
  ...IV.map((word, i) => set(`v${8 + i}`, `(v128.const i32x4 ${LANES.map(() => word).join(' ')})`)),
  set('v12', get('counters')),
  // The upper half of the counter: no input is that long.
  set('v13', '(v128.const i32x4 0 0 0 0)'),
  set('v14', `(i32x4.splat ${get('length')})`),
  set('v15', `(i32x4.splat ${get('blockFlags')})`),
  rounds(),
  ...range(8).map((i) => storeAt(CHAIN_OFFSET, i, xor(get(`v${i}`), get(`v${8 + i}`)))),
])

/** The lanes' own numbers: beyond the last message they repeat it, and write the same digest to the same place. */
const laneIndices: string = lines(
  LANES.map((lane) => {
    const index = `(i32.add ${get('i')} ${i32(lane)})`
    const last = `(i32.sub ${get('count')} ${i32(1)})`
    return set(`n${lane}`, `(select ${index} ${last} (i32.lt_u ${index} ${get('count')}))`)
  }),
)
const pointers = (base: string, stride: string): string =>
  lines(LANES.map((lane) => set(`p${lane}`, `(i32.add ${get(base)} (i32.mul ${get(`n${lane}`)} ${get(stride)}))`)))
const laneVector: string = LANES.slice(1).reduce(
  (vector, lane) => `(i32x4.replace_lane ${lane} ${vector} ${get(`n${lane}`)})`,
  `(i32x4.splat ${get('n0')})`,
)

/**
 * Message i of `count` (at least 1) is the `messageLength` bytes (at most a chunk) at in + i * stride; its chaining value or
 * digest goes to out + i * outStride; its chunk counter is counter + i * counterStep. `first` and `last` are flags of the
 * first and the last block. Output may overlap input that lies at the same or a lower index.
 */
const hashMany = `
(func (export "hashMany") (param $in i32) (param $stride i32) (param $count i32) (param $messageLength i32)
  (param $out i32) (param $outStride i32) (param $counter i32) (param $counterStep i32)
  (param $flags i32) (param $first i32) (param $last i32)
  (local $i i32) (local $left i32) (local $length i32) (local $blockFlags i32) (local $valid i32)
  (local $t v128) (local $rotate8 v128) (local $counters v128)
  ${lines(LANES.map((l) => `(local $n${l} i32) (local $p${l} i32) (local $x${l} v128) (local $y${l} v128)`))}
  ${range(16)
    .map((i) => `(local $v${i} v128)`)
    .join(' ')}
  ${set('rotate8', `(v128.const i8x16 ${rotation(1)})`)}
  (loop $four
    ${laneIndices}
    ${pointers('in', 'stride')}
    ${set('counters', add(`(i32x4.splat ${get('counter')})`, `(i32x4.mul (i32x4.splat ${get('counterStep')}) ${laneVector})`))}
    ${lines(range(8).map((i) => storeAt(CHAIN_OFFSET, i, `(v128.load32_splat offset=${KEY_OFFSET + 4 * i} (i32.const 0))`)))}
    ${set('left', get('messageLength'))}
    ${set('blockFlags', `(i32.or ${get('flags')} ${get('first')})`)}
    (loop $block
      ${set('length', `(select ${get('left')} ${i32(BLOCK_BYTES)} (i32.lt_u ${get('left')} ${i32(BLOCK_BYTES)}))`)}
      (if (i32.le_u ${get('left')} ${i32(BLOCK_BYTES)})
        (then ${set('blockFlags', `(i32.or ${get('blockFlags')} ${get('last')})`)}))
      ${loadBlock}
      ${compress}
      ${lines(LANES.map((lane) => set(`p${lane}`, `(i32.add ${get(`p${lane}`)} ${i32(BLOCK_BYTES)})`)))}
      ${set('blockFlags', get('flags'))}
      ${set('left', `(i32.sub ${get('left')} ${i32(BLOCK_BYTES)})`)}
      (br_if $block (i32.gt_s ${get('left')} ${i32(0)})))
    ${pointers('out', 'outStride')}
    ${lines(
      [0, 1].map((half) =>
        transpose(
          range(4).map((i) => vectorAt(CHAIN_OFFSET, 4 * half + i)),
          (column, lane) => `(v128.store offset=${16 * half} ${get(`p${lane}`)} ${column})`,
        ),
      ),
    )}
    ${set('i', `(i32.add ${get('i')} ${i32(LANES.length)})`)}
    (br_if $four (i32.lt_u ${get('i')} ${get('count')}))))`

export function blake3Text(): string {
  const end = Math.max(INPUT_OFFSET + INPUT_BYTES, OUTPUT_OFFSET + OUTPUT_BYTES)
  if (end > HASH_PAGES * PAGE_BYTES) throw new RangeError(`${end} bytes do not fit ${HASH_PAGES} pages`)
  return `(module
(memory (export "memory") ${HASH_PAGES} ${HASH_PAGES})
(data (i32.const ${MASK_OFFSET}) "${'\\ff'.repeat(16)}${'\\00'.repeat(16)}")
${hashMany}
)`
}
