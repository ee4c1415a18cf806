/** From vectors of sixteen columns to the packed forms that products take, and what products want to know of an operand. */
import type { ProductShape } from './product.ts'
import { bump, countDown, get, lines, range, splatI8, splatI16, splatI32 } from './text.ts'

/** Interleaves vectors of bytes a and b: columns 0..7 in `low`, 8..15 in `high`. */
const byteLow = 'i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23'
const byteHigh = 'i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31'
const wordLow = 'i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23'
const wordHigh = 'i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31'

/**
 * Four rows of sixteen columns, $r0..$r3, as quads: sixteen times four bytes, four columns a vector. With panels of eight
 * columns the second half belongs to the panel `panelBytes` on.
 */
const storeQuads = (to: string, vectors: number): string => {
  const place = (i: number): string =>
    vectors === 4
      ? `(v128.store offset=${16 * i} ${get(to)}`
      : i < 2
        ? `(v128.store offset=${16 * i} ${get(to)}`
        : `(v128.store offset=${16 * (i - 2)} (i32.add ${get(to)} ${get('$panelBytes')})`
  return `
    (local.set $t0 (${byteLow} ${get('$r0')} ${get('$r1')}))
    (local.set $t1 (${byteLow} ${get('$r2')} ${get('$r3')}))
    (local.set $t2 (${byteHigh} ${get('$r0')} ${get('$r1')}))
    (local.set $t3 (${byteHigh} ${get('$r2')} ${get('$r3')}))
    ${place(0)} (${wordLow} ${get('$t0')} ${get('$t1')}))
    ${place(1)} (${wordHigh} ${get('$t0')} ${get('$t1')}))
    ${place(2)} (${wordLow} ${get('$t2')} ${get('$t3')}))
    ${place(3)} (${wordHigh} ${get('$t2')} ${get('$t3')}))
    ${bump(to, 16 * vectors)}`
}

const quadLocals = range(4)
  .map((i) => `(local $r${i} v128) (local $t${i} v128)`)
  .join(' ')

/** `count` vectors of sixteen columns (a multiple of 4) as quads, plus `offset` on every byte. */
const packQuads = (vectors: number): string => `
(func (export "pack") (param $src i32) (param $dst i32) (param $count i32) (param $panelBytes i32) (param $offset i32)
  ${quadLocals} (local $o v128)
  (local.set $o (i8x16.splat ${get('$offset')}))
  (loop $next
    ${lines(range(4).map((i) => `(local.set $r${i} (i8x16.add ${get('$o')} (v128.load offset=${16 * i} ${get('$src')})))`))}
    ${storeQuads('$dst', vectors)}
    ${bump('$src', 64)}
    (br_if $next (local.tee $count (i32.sub ${get('$count')} (i32.const 4))))))`

/**
 * E_R W' as quads of two 7-bit digits: y + 8192 = 128 hi + lo. Returns the OR of all y + 8192 in both halves of each lane:
 * a sum outside [-8192, 8191] sets bit 14 or 15.
 */
const splitSums = (vectors: number): string => {
  const row = (i: number): string => `
    (local.set $l${i} (i16x8.add (v128.load offset=${32 * i} ${get('$src')}) ${splatI16(8192)}))
    (local.set $h${i} (i16x8.add (v128.load offset=${32 * i + 16} ${get('$src')}) ${splatI16(8192)}))
    (local.set $seen (v128.or ${get('$seen')} (v128.or ${get(`$l${i}`)} ${get(`$h${i}`)})))`
  const digit = (of: (name: string) => string): string =>
    lines(range(4).map((i) => `(local.set $r${i} (i8x16.narrow_i16x8_u ${of(get(`$l${i}`))} ${of(get(`$h${i}`))}))`))
  return `
(func (export "splitSums") (param $src i32) (param $hi i32) (param $lo i32) (param $count i32) (param $panelBytes i32)
  (result i32)
  ${quadLocals} (local $seen v128) ${range(4)
    .map((i) => `(local $l${i} v128) (local $h${i} v128)`)
    .join(' ')}
  (loop $next
    ${lines(range(4).map(row))}
    ${digit((v) => `(i16x8.shr_u ${v} (i32.const 7))`)}
    ${storeQuads('$hi', vectors)}
    ${digit((v) => `(v128.and ${v} ${splatI16(127)})`)}
    ${storeQuads('$lo', vectors)}
    ${bump('$src', 128)}
    (br_if $next (local.tee $count (i32.sub ${get('$count')} (i32.const 4)))))
  (i32.or
    (i32.or (i32x4.extract_lane 0 ${get('$seen')}) (i32x4.extract_lane 1 ${get('$seen')}))
    (i32.or (i32x4.extract_lane 2 ${get('$seen')}) (i32x4.extract_lane 3 ${get('$seen')}))))`
}

/** Two rows of sixteen columns as pairs: $r0, $r1 interleaved; panels have eight columns. */
const packPairs = `
(func (export "pack") (param $src i32) (param $dst i32) (param $count i32) (param $panelBytes i32) (param $offset i32)
  (local $r0 v128) (local $r1 v128)
  (loop $next
    (local.set $r0 (v128.load ${get('$src')}))
    (local.set $r1 (v128.load offset=16 ${get('$src')}))
    (v128.store ${get('$dst')} (${byteLow} ${get('$r0')} ${get('$r1')}))
    (v128.store (i32.add ${get('$dst')} ${get('$panelBytes')}) (${byteHigh} ${get('$r0')} ${get('$r1')}))
    ${bump('$src', 32)} ${bump('$dst', 16)}
    (br_if $next (local.tee $count (i32.sub ${get('$count')} (i32.const 2))))))`

/** E_R W' as pairs of int16. */
const pairSums = `
(func (export "pairSums") (param $src i32) (param $dst i32) (param $count i32) (param $panelBytes i32)
  (local $a v128) (local $b v128) (local $p i32)
  (loop $next
    ${lines(
      range(2).map(
        (half) => `
    (local.set $a (v128.load offset=${16 * half} ${get('$src')}))
    (local.set $b (v128.load offset=${32 + 16 * half} ${get('$src')}))
    (local.set $p ${half === 0 ? get('$dst') : `(i32.add ${get('$dst')} ${get('$panelBytes')})`})
    (v128.store ${get('$p')} (${wordLow} ${get('$a')} ${get('$b')}))
    (v128.store offset=16 ${get('$p')} (${wordHigh} ${get('$a')} ${get('$b')}))`,
      ),
    )}
    ${bump('$src', 64)} ${bump('$dst', 32)}
    (br_if $next (local.tee $count (i32.sub ${get('$count')} (i32.const 2))))))`

/**
 * Sixteen rows of the denoising operand (WRK-5) from sums = A F_L, r rows of sixteen int16, and uniform = E_L, r vectors: with
 * v = -sum, 128 hi + lo = v and lo in [-64, 63], as r vectors of hi, r of -e, r of lo, and corr = -32 sum(v) + 8192 sum(e) for
 * each row. v lies in [-16320, 16320].
 */
const operandDigits = `
(func (export "operandDigits") (param $sums i32) (param $uniform i32) (param $r i32) (param $hi i32) (param $e i32)
  (param $lo i32) (param $corr i32)
  (local $l v128) (local $h v128) (local $dl v128) (local $dh v128) (local $u v128)
  ${range(4)
    .map((i) => `(local $k${i} v128)`)
    .join(' ')}
  ${countDown(
    '$next',
    '$r',
    `(local.set $l (i16x8.neg (v128.load ${get('$sums')})))
    (local.set $h (i16x8.neg (v128.load offset=16 ${get('$sums')})))
    (local.set $u (v128.load ${get('$uniform')}))
    (local.set $dl (i16x8.shr_s (i16x8.add ${get('$l')} ${splatI16(64)}) (i32.const 7)))
    (local.set $dh (i16x8.shr_s (i16x8.add ${get('$h')} ${splatI16(64)}) (i32.const 7)))
    (v128.store ${get('$hi')} (i8x16.narrow_i16x8_s ${get('$dl')} ${get('$dh')}))
    (v128.store ${get('$lo')} (i8x16.narrow_i16x8_s
      (i16x8.sub ${get('$l')} (i16x8.shl ${get('$dl')} (i32.const 7)))
      (i16x8.sub ${get('$h')} (i16x8.shl ${get('$dh')} (i32.const 7)))))
    (v128.store ${get('$e')} (i8x16.neg ${get('$u')}))
    ${lines(
      range(4).map((i) => {
        const half = i < 2 ? '$l' : '$h'
        const part = i % 2 === 0 ? 'low' : 'high'
        const wide = `(i16x8.extend_${i < 2 ? 'low' : 'high'}_i8x16_s ${get('$u')})`
        return `(local.set $k${i} (i32x4.add ${get(`$k${i}`)} (i32x4.sub
          (i32x4.shl (i32x4.extend_${part}_i16x8_s ${wide}) (i32.const 13))
          (i32x4.shl (i32x4.extend_${part}_i16x8_s ${get(half)}) (i32.const 5)))))`
      }),
    )}
    ${bump('$sums', 32)} ${['$uniform', '$hi', '$e', '$lo'].map((name) => bump(name, 16)).join(' ')}`,
  )}
  ${lines(range(4).map((i) => `(v128.store offset=${16 * i} ${get('$corr')} ${get(`$k${i}`)})`))})`

/** Sixteen int16 rows of the denoising operand: -sums and -uniform, one row of 2 r values after the other (2 r bytes apart each). */
const operandPairs = `
(func (export "operandPairs") (param $sums i32) (param $uniform i32) (param $r i32) (param $dst i32) (param $stride i32)
  (local $i i32) (local $p i32) (local $t i32)
  (loop $next
    (local.set $i (i32.const 0))
    (local.set $p ${get('$dst')})
    (loop $row
      (i32.store16 ${get('$p')} (i32.sub (i32.const 0)
        (i32.load16_s (i32.add ${get('$sums')} (i32.shl ${get('$i')} (i32.const 1))))))
      (i32.store16 (i32.add ${get('$p')} (i32.shl ${get('$r')} (i32.const 1))) (i32.sub (i32.const 0)
        (i32.load8_s (i32.add ${get('$uniform')} ${get('$i')}))))
      ${bump('$p', get('$stride'))}
      ${bump('$i', 1)}
      (br_if $row (i32.lt_u ${get('$i')} (i32.const 16))))
    ${bump('$sums', 32)} ${bump('$uniform', 16)} ${bump('$dst', 2)}
    ${bump('$t', 1)}
    (br_if $next (i32.lt_u ${get('$t')} ${get('$r')}))))`

/** corr[step][row] = factor * (sum of a row's int8 over one step); `groups` of 8 bytes a step; steps are `ldcorr` bytes apart. */
const rowSums = `
(func (export "rowSums") (param $a i32) (param $lda i32) (param $rows i32) (param $groups i32) (param $steps i32)
  (param $corr i32) (param $ldcorr i32) (param $factor i32)
  (local $s v128) (local $p i32) (local $g i32) (local $t i32) (local $out i32)
  ${countDown(
    '$row',
    '$rows',
    `(local.set $p ${get('$a')})
    (local.set $out ${get('$corr')})
    (local.set $t ${get('$steps')})
    ${countDown(
      '$step',
      '$t',
      `(local.set $s ${splatI32(0)})
      (local.set $g ${get('$groups')})
      ${countDown(
        '$group',
        '$g',
        `(local.set $s (i32x4.relaxed_dot_i8x16_i7x16_add_s (v128.load64_zero ${get('$p')}) ${splatI8(1)} ${get('$s')}))
        ${bump('$p', 8)}`,
      )}
      (i32.store ${get('$out')} (i32.mul ${get('$factor')}
        (i32.add (i32x4.extract_lane 0 ${get('$s')}) (i32x4.extract_lane 1 ${get('$s')}))))
      ${bump('$out', get('$ldcorr'))}`,
    )}
    ${bump('$a', get('$lda'))} ${bump('$corr', 4)}`,
  )})`

/** int8 rows to int16 rows; `groups` of 8 values a row. */
const widen = `
(func (export "widen") (param $a i32) (param $lda i32) (param $rows i32) (param $groups i32) (param $dst i32)
  (local $p i32) (local $g i32)
  ${countDown(
    '$row',
    '$rows',
    `(local.set $p ${get('$a')})
    (local.set $g ${get('$groups')})
    ${countDown(
      '$group',
      '$g',
      `(v128.store ${get('$dst')} (v128.load8x8_s ${get('$p')})) ${bump('$p', 8)} ${bump('$dst', 16)}`,
    )}
    ${bump('$a', get('$lda'))}`,
  )})`

/** What a family packs. */
export function packFunctions({ family, vectors }: ProductShape): string[] {
  return family === 'quads'
    ? [packQuads(vectors), splitSums(vectors), operandDigits, rowSums]
    : [packPairs, pairSums, operandPairs, widen]
}
