/**
 * The WebAssembly text of the kernels, from templates. Operand layouts are described in `src/kernels/types.ts`.
 *
 * Why this shape: a 4 x 8 register tile has eight 128-bit accumulators, and more spill in V8; int8 weights are widened while
 * they are loaded (half the memory traffic of int16); `i32x4.dot_i16x8_s` multiplies pairs of neighbours along k exactly.
 */
import { GLUE_FUNCTIONS } from './wat-glue.ts'

type Rows = 4 | 1
type Bits = 8 | 16

/** k columns that one turn of the inner loop takes: four pairs. */
const UNROLL_PAIRS = 4
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
const lines = (parts: readonly string[]): string => parts.join('\n')

/**
 * One register tile: `rows` x 8 accumulators over `steps` x `inner` x 8 columns. After each step the XOR of all
 * accumulators is XORed into the 16 bytes at x, and x moves on: XOR does not care in which order a tile's parts come, so
 * the partial sums of a whole lottery tile meet there without ever leaving registers (WRK-3).
 */
function micro(rows: Rows, bits: Bits): string {
  const accumulators = range(rows).flatMap((r) => [`$c${r}0`, `$c${r}1`])
  const pairBytes = bits === 8 ? 16 : 32
  const widen = (offset: number): string =>
    `(${bits === 8 ? 'v128.load8x8_s' : 'v128.load'} offset=${offset} (local.get $w))`
  const eachAccumulator = (make: (name: string, row: number, half: number) => string): string =>
    lines(range(rows).flatMap((r) => [0, 1].map((half) => make(`$c${r}${half}`, r, half))))
  const turn = range(UNROLL_PAIRS).map((pair) =>
    lines([
      `(local.set $w0 ${widen(pair * pairBytes)})`,
      `(local.set $w1 ${widen(pair * pairBytes + pairBytes / 2)})`,
      ...range(rows).map((r) =>
        lines([
          `(local.set $av (v128.load32_splat offset=${4 * pair} (local.get $a${r})))`,
          `(local.set $c${r}0 (i32x4.add (local.get $c${r}0) (i32x4.dot_i16x8_s (local.get $av) (local.get $w0))))`,
          `(local.set $c${r}1 (i32x4.add (local.get $c${r}1) (i32x4.dot_i16x8_s (local.get $av) (local.get $w1))))`,
        ]),
      ),
    ]),
  )
  const xorAll = accumulators
    .map((name) => `(local.get ${name})`)
    .reduce((left, right) => `(v128.xor ${left} ${right})`)
  return `
(func $micro${rows}_${bits} (param $a0 i32) (param $lda i32) (param $w i32) (param $c i32) (param $ldc i32)
  (param $add i32) (param $inner i32) (param $steps i32) (param $x i32)
  (local $i i32) (local $w0 v128) (local $w1 v128) (local $av v128)
  ${range(rows - 1)
    .map((r) => `(local $a${r + 1} i32)`)
    .join(' ')}
  ${range(rows)
    .map((r) => `(local $p${r} i32)`)
    .join(' ')}
  ${accumulators.map((name) => `(local ${name} v128)`).join(' ')}
  ${lines(range(rows - 1).map((r) => `(local.set $a${r + 1} (i32.add (local.get $a${r}) (local.get $lda)))`))}
  (local.set $p0 (local.get $c))
  ${lines(range(rows - 1).map((r) => `(local.set $p${r + 1} (i32.add (local.get $p${r}) (local.get $ldc)))`))}
  (if (local.get $add) (then
    ${eachAccumulator((name, r, half) => `(local.set ${name} (v128.load offset=${16 * half} (local.get $p${r})))`)}))
  (loop $step
    (local.set $i (local.get $inner))
    (loop $turn
      ${lines(turn)}
      ${lines(range(rows).map((r) => `(local.set $a${r} (i32.add (local.get $a${r}) (i32.const ${4 * UNROLL_PAIRS})))`))}
      (local.set $w (i32.add (local.get $w) (i32.const ${UNROLL_PAIRS * pairBytes})))
      (br_if $turn (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (v128.store (local.get $x) (v128.xor (v128.load (local.get $x)) ${xorAll}))
    (local.set $x (i32.add (local.get $x) (i32.const 16)))
    (br_if $step (local.tee $steps (i32.sub (local.get $steps) (i32.const 1)))))
  ${eachAccumulator((name, r, half) => `(v128.store offset=${16 * half} (local.get $p${r}) (local.get ${name}))`)}
)`
}

/** Rows 0 .. m-1 of one panel: register tiles of four rows, then single rows. Uses locals $row, $ar, $cr of the caller. */
function panelRows(bits: Bits, m: string, add: string, steps: string): string {
  const call = (rows: Rows): string => `
      (call $micro${rows}_${bits} (local.get $ar) (local.get $lda) (local.get $w) (local.get $cr) (local.get $ldc)
        ${add} (local.get $inner) ${steps} (local.get $x))
      (local.set $ar (i32.add (local.get $ar) (i32.mul (local.get $lda) (i32.const ${rows}))))
      (local.set $cr (i32.add (local.get $cr) (i32.mul (local.get $ldc) (i32.const ${rows}))))
      (local.set $row (i32.add (local.get $row) (i32.const ${rows})))`
  return `
    (local.set $row (i32.const 0))
    (block $end4 (loop $next4
      (br_if $end4 (i32.gt_s (i32.add (local.get $row) (i32.const 4)) ${m}))
      ${call(4)}
      (br $next4)))
    (block $end1 (loop $next1
      (br_if $end1 (i32.ge_s (local.get $row) ${m}))
      ${call(1)}
      (br $next1)))`
}

/** C (+)= A W for all rows and panels. */
function gemm(bits: Bits): string {
  return `
(func (export "gemm${bits}") (param $a i32) (param $lda i32) (param $w i32) (param $panelBytes i32) (param $c i32)
  (param $ldc i32) (param $m i32) (param $panels i32) (param $add i32) (param $inner i32) (param $x i32)
  (local $row i32) (local $ar i32) (local $cr i32)
  (block $done (loop $panel
    (br_if $done (i32.eqz (local.get $panels)))
    (local.set $ar (local.get $a))
    (local.set $cr (local.get $c))
    ${panelRows(bits, '(local.get $m)', '(local.get $add)', '(i32.const 1)')}
    (local.set $w (i32.add (local.get $w) (local.get $panelBytes)))
    (local.set $c (i32.add (local.get $c) (i32.const 32)))
    (local.set $panels (i32.sub (local.get $panels) (i32.const 1)))
    (br $panel))))`
}

/** C = A W for whole lottery tiles, and the fold state of each (WRK-3). */
const fold = `
(func (export "fold") (param $a i32) (param $lda i32) (param $wBase i32) (param $panelBytes i32) (param $c i32)
  (param $ldc i32) (param $h i32) (param $rowTiles i32) (param $tilePanels i32) (param $colTiles i32)
  (param $inner i32) (param $steps i32) (param $x i32) (param $states i32)
  (local $row i32) (local $ar i32) (local $cr i32) (local $w i32) (local $p i32) (local $tr i32) (local $tc i32)
  (local $s i32) (local $word i32) (local $v v128)
  (block $allDone (loop $column
    (br_if $allDone (i32.ge_s (local.get $tc) (local.get $colTiles)))
    (local.set $tr (i32.const 0))
    (block $rowsDone (loop $rowTile
      (br_if $rowsDone (i32.ge_s (local.get $tr) (local.get $rowTiles)))
      (memory.fill (local.get $x) (i32.const 0) (i32.mul (local.get $steps) (i32.const 16)))
      (local.set $p (i32.const 0))
      (loop $panel
        (local.set $w (i32.add (local.get $wBase) (i32.mul (local.get $panelBytes)
          (i32.add (local.get $p) (i32.mul (local.get $tc) (local.get $tilePanels))))))
        (local.set $row (i32.mul (local.get $tr) (local.get $h)))
        (local.set $ar (i32.add (local.get $a) (i32.mul (local.get $lda) (local.get $row))))
        (local.set $cr (i32.add
          (i32.add (local.get $c) (i32.mul (local.get $ldc) (local.get $row)))
          (i32.mul (i32.const 32) (i32.add (local.get $p) (i32.mul (local.get $tc) (local.get $tilePanels))))))
        ${panelRows(8, '(local.get $h)', '(i32.const 0)', '(local.get $steps)')}
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br_if $panel (i32.lt_s (local.get $p) (local.get $tilePanels))))
      (local.set $word (i32.add (local.get $states)
        (i32.mul (i32.const 64) (i32.add (i32.mul (local.get $tr) (local.get $colTiles)) (local.get $tc)))))
      (memory.fill (local.get $word) (i32.const 0) (i32.const 64))
      (local.set $s (i32.const 0))
      (loop $step
        (local.set $v (v128.load (i32.add (local.get $x) (i32.mul (local.get $s) (i32.const 16)))))
        (local.set $v (v128.xor (local.get $v)
          (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $v) (local.get $v))))
        (local.set $p (i32.add (local.get $word)
          (i32.mul (i32.const 4) (i32.and (local.get $s) (i32.const 15)))))
        (i32.store (local.get $p) (i32.xor
          (i32.rotl (i32.load (local.get $p)) (i32.const 13))
          (i32.xor (i32x4.extract_lane 0 (local.get $v)) (i32x4.extract_lane 1 (local.get $v)))))
        (local.set $s (i32.add (local.get $s) (i32.const 1)))
        (br_if $step (i32.lt_s (local.get $s) (local.get $steps))))
      (local.set $tr (i32.add (local.get $tr) (i32.const 1)))
      (br $rowTile)))
    (local.set $tc (i32.add (local.get $tc) (i32.const 1)))
    (br $column))))`

/** Adds $u to, or subtracts it from, the eight int16 at $dst plus the offset that an index array holds. */
const addTo = (op: 'add' | 'sub', index: 'plus' | 'minus', offset: number): string => `
      (local.set $p (i32.add (local.get $dst) (i32.load offset=${offset} (local.get $${index}))))
      (v128.store (local.get $p) (i16x8.${op} (v128.load (local.get $p)) (local.get $u)))`

/**
 * E_R W' by additions, panel by panel (WRK-2, WRK-5): the eight values of column c of k are added to the eight int16 sums at
 * plus[c] and subtracted from those at minus[c]. Indices are byte offsets into the panel's sums.
 */
const scatter = `
(func (export "scatter") (param $dst i32) (param $src i32) (param $plusBase i32) (param $minusBase i32) (param $k i32)
  (param $panels i32) (param $dstBytes i32) (param $srcBytes i32)
  (local $plus i32) (local $minus i32) (local $from i32) (local $end i32) (local $p i32) (local $v v128) (local $u v128)
  (loop $panel
    (local.set $plus (local.get $plusBase))
    (local.set $minus (local.get $minusBase))
    (local.set $from (local.get $src))
    (local.set $end (i32.add (local.get $src) (i32.shl (local.get $k) (i32.const 3))))
    (loop $pair
      (local.set $v (v128.load (local.get $from)))
      (local.set $u (i16x8.shr_s (i16x8.shl (local.get $v) (i32.const 8)) (i32.const 8)))
      ${addTo('add', 'plus', 0)}
      ${addTo('sub', 'minus', 0)}
      (local.set $u (i16x8.shr_s (local.get $v) (i32.const 8)))
      ${addTo('add', 'plus', 4)}
      ${addTo('sub', 'minus', 4)}
      (local.set $plus (i32.add (local.get $plus) (i32.const 8)))
      (local.set $minus (i32.add (local.get $minus) (i32.const 8)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (br_if $pair (i32.lt_u (local.get $from) (local.get $end))))
    (local.set $src (i32.add (local.get $src) (local.get $srcBytes)))
    (local.set $dst (i32.add (local.get $dst) (local.get $dstBytes)))
    (br_if $panel (local.tee $panels (i32.sub (local.get $panels) (i32.const 1))))))`

/** Interleaves two rows of eight int16 at a time, in place: rows of a panel become pairs. */
const pairUp = `
(func (export "pairUp") (param $at i32) (param $pairs i32)
  (local $a v128) (local $b v128)
  (loop $pair
    (local.set $a (v128.load (local.get $at)))
    (local.set $b (v128.load offset=16 (local.get $at)))
    (v128.store (local.get $at)
      (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23 (local.get $a) (local.get $b)))
    (v128.store offset=16 (local.get $at)
      (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31 (local.get $a) (local.get $b)))
    (local.set $at (i32.add (local.get $at) (i32.const 32)))
    (br_if $pair (local.tee $pairs (i32.sub (local.get $pairs) (i32.const 1))))))`

/** The whole module. Memory is imported, so that its size follows the model. */
export function kernelText(): string {
  return lines([
    '(module',
    '(import "env" "memory" (memory 1))',
    micro(4, 8),
    micro(1, 8),
    micro(4, 16),
    micro(1, 16),
    gemm(8),
    gemm(16),
    fold,
    scatter,
    pairUp,
    ...GLUE_FUNCTIONS,
    ')',
  ])
}
