/**
 * The WebAssembly text of keyed BLAKE3. `hashMany` takes four messages at a time, lane l of every vector belonging to message l;
 * `hashOne` takes one, by words.
 *
 * Why this shape: the sixteen state words are locals, of which V8 spills few, and the message words come from memory, where
 * those of four messages lie transposed. Two of the four independent G of a step are interleaved: one leaves units idle, four
 * spill. A rotation of vectors by 16 is a constant shuffle and one by 8 a swizzle whose indices stay in a register; 12 and 7
 * take shifts. A single message is faster by words, which rotate in one instruction, than in one lane of four.
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
import {
  compress,
  FOUR_WORDS,
  get,
  i32,
  lines,
  loadAt,
  ONE_WORD,
  ROTATE_8_INDICES,
  range,
  set,
  stateLocals,
  storeAt,
} from './wat-blake3-rounds.ts'

const LANES = range(4)

const INTERLEAVE_LOW = '0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23'
const INTERLEAVE_HIGH = '8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31'
const JOIN_LOW = '0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23'
const JOIN_HIGH = '8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31'

/** Four vectors as the rows of a 4 x 4 matrix of words; `store` takes the columns. */
function transpose(rows: readonly string[], store: (column: string, i: number) => string): string {
  const shuffle = (indices: string, a: string, b: string): string => `(i8x16.shuffle ${indices} ${get(a)} ${get(b)})`
  return lines([
    ...rows.map((row, i) => set(`x${i}`, row)),
    set('y0', shuffle(INTERLEAVE_LOW, 'x0', 'x1')),
    set('y1', shuffle(INTERLEAVE_LOW, 'x2', 'x3')),
    set('y2', shuffle(INTERLEAVE_HIGH, 'x0', 'x1')),
    set('y3', shuffle(INTERLEAVE_HIGH, 'x2', 'x3')),
    store(shuffle(JOIN_LOW, 'y0', 'y1'), 0),
    store(shuffle(JOIN_HIGH, 'y0', 'y1'), 1),
    store(shuffle(JOIN_LOW, 'y2', 'y3'), 2),
    store(shuffle(JOIN_HIGH, 'y2', 'y3'), 3),
  ])
}

/** $t becomes the mask of the bytes of a block's part of 16 that belong to its $length bytes. */
const maskOf = (part: number): string =>
  lines([
    set('valid', `(i32.sub ${get('length')} ${i32(16 * part)})`),
    set('valid', `(select ${i32(0)} ${get('valid')} (i32.lt_s ${get('valid')} ${i32(0)}))`),
    set('valid', `(select ${i32(16)} ${get('valid')} (i32.gt_s ${get('valid')} ${i32(16)}))`),
    set('t', `(v128.load offset=${MASK_OFFSET} (i32.sub ${i32(16)} ${get('valid')}))`),
  ])
const maskedPart = (pointer: string, part: number): string =>
  `(v128.and ${get('t')} (v128.load offset=${16 * part} ${get(pointer)}))`

/** The next block of the four messages, transposed, with zeros after the end. */
const loadFour: string = lines(
  range(4).map((part) =>
    lines([
      maskOf(part),
      transpose(
        LANES.map((lane) => maskedPart(`p${lane}`, part)),
        (column, i) => storeAt(FOUR_WORDS, BLOCK_OFFSET, 4 * part + i, column),
      ),
    ]),
  ),
)
const loadOne: string = lines(
  range(4).map((part) => lines([maskOf(part), storeAt(FOUR_WORDS, BLOCK_OFFSET, part, maskedPart('in', part))])),
)

/** All blocks of messages of $messageLength bytes: `load` brings the next, `next` moves on. Sets $length and $blockFlags. */
const eachBlock = (load: string, compression: string, next: string): string => `
    ${set('left', get('messageLength'))}
    ${set('blockFlags', `(i32.or ${get('flags')} ${get('first')})`)}
    (loop $block
      ${set('length', `(select ${get('left')} ${i32(BLOCK_BYTES)} (i32.lt_u ${get('left')} ${i32(BLOCK_BYTES)}))`)}
      (if (i32.le_u ${get('left')} ${i32(BLOCK_BYTES)})
        (then ${set('blockFlags', `(i32.or ${get('blockFlags')} ${get('last')})`)}))
      ${load}
      ${compression}
      ${next}
      ${set('blockFlags', get('flags'))}
      ${set('left', `(i32.sub ${get('left')} ${i32(BLOCK_BYTES)})`)}
      (br_if $block (i32.gt_s ${get('left')} ${i32(0)})))`

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
const laneCounters = `(i32x4.add (i32x4.splat ${get('counter')})
      (i32x4.mul (i32x4.splat ${get('counterStep')}) ${laneVector}))`

/**
 * Message i of `count` (at least 1) is the `messageLength` bytes (at most a chunk) at in + i * stride; its chaining value or
 * digest goes to out + i * outStride; its chunk counter is counter + i * counterStep. `first` and `last` are flags of the
 * first and the last block. Output i may overwrite input of messages 0 .. i.
 */
const hashMany = `
(func (export "hashMany") (param $in i32) (param $stride i32) (param $count i32) (param $messageLength i32)
  (param $out i32) (param $outStride i32) (param $counter i32) (param $counterStep i32)
  (param $flags i32) (param $first i32) (param $last i32)
  (local $i i32) (local $left i32) (local $length i32) (local $blockFlags i32) (local $valid i32)
  (local $t v128) (local $rotate8 v128) (local $counters v128)
  ${lines(LANES.map((l) => `(local $n${l} i32) (local $p${l} i32) (local $x${l} v128) (local $y${l} v128)`))}
  ${stateLocals(FOUR_WORDS)}
  ${set('rotate8', ROTATE_8_INDICES)}
  (loop $four
    ${laneIndices}
    ${pointers('in', 'stride')}
    ${set('counters', laneCounters)}
    ${lines(range(8).map((i) => storeAt(FOUR_WORDS, CHAIN_OFFSET, i, FOUR_WORDS.common(loadAt(ONE_WORD, KEY_OFFSET, i)))))}
    ${eachBlock(
      loadFour,
      compress(FOUR_WORDS, get('counters')),
      lines(LANES.map((lane) => set(`p${lane}`, `(i32.add ${get(`p${lane}`)} ${i32(BLOCK_BYTES)})`))),
    )}
    ${pointers('out', 'outStride')}
    ${lines(
      [0, 1].map((half) =>
        transpose(
          range(4).map((i) => loadAt(FOUR_WORDS, CHAIN_OFFSET, 4 * half + i)),
          (column, lane) => `(v128.store offset=${16 * half} ${get(`p${lane}`)} ${column})`,
        ),
      ),
    )}
    ${set('i', `(i32.add ${get('i')} ${i32(LANES.length)})`)}
    (br_if $four (i32.lt_u ${get('i')} ${get('count')}))))`

/** As `hashMany` for one message with the chunk counter `counter`. */
const hashOne = `
(func (export "hashOne") (param $in i32) (param $messageLength i32) (param $out i32) (param $counter i32)
  (param $flags i32) (param $first i32) (param $last i32)
  (local $left i32) (local $length i32) (local $blockFlags i32) (local $valid i32) (local $t v128)
  ${stateLocals(ONE_WORD)}
  ${lines([0, 1].map((i) => storeAt(FOUR_WORDS, CHAIN_OFFSET, i, loadAt(FOUR_WORDS, KEY_OFFSET, i))))}
  ${eachBlock(loadOne, compress(ONE_WORD, get('counter')), set('in', `(i32.add ${get('in')} ${i32(BLOCK_BYTES)})`))}
  ${lines([0, 1].map((i) => `(v128.store offset=${16 * i} ${get('out')} ${loadAt(FOUR_WORDS, CHAIN_OFFSET, i)})`))})`

export function blake3Text(): string {
  const end = Math.max(INPUT_OFFSET + INPUT_BYTES, OUTPUT_OFFSET + OUTPUT_BYTES)
  if (end > HASH_PAGES * PAGE_BYTES) throw new RangeError(`${end} bytes do not fit ${HASH_PAGES} pages`)
  return `(module
(memory (export "memory") ${HASH_PAGES} ${HASH_PAGES})
(data (i32.const ${MASK_OFFSET}) "${'\\ff'.repeat(16)}${'\\00'.repeat(16)}")
${hashMany}
${hashOne}
)`
}
