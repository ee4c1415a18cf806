/**
 * The pinned binary32 arithmetic (MOD-2, MOD-4) as WebAssembly SIMD. Lane operations round like scalar ones and the reference's
 * four partial sums are the four lanes, so results have the same bits. No relaxed instruction is used, and none fuses.
 */
const f = Math.fround
const lines = (parts: readonly string[]): string => parts.join('\n')
const splat = (value: number): string => {
  const text = String(f(value))
  return `(v128.const f32x4 ${text} ${text} ${text} ${text})`
}

const MAX_FINITE_F32 = 3.4028234663852886e38
const MIN_NORMAL_F32 = 2 ** -126
const QUANT_MAX = 63
/** 1.5 * 2^23: adding and subtracting it rounds half to even. */
const ROUND_MAGIC = 12582912
// biome-ignore lint/suspicious/noApproximativeNumericConstant: the digits are the rule
const LOG2_E = 1.4426950408889634
const LN2_HI = 0.693359375
const LN2_LO = -2.1219444e-4
const EXP_POLY = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1]

/** e^x in four lanes, operation by operation as `expF32`; pmin and pmax are its two comparisons, NaN included. */
const exp4 = `
(func $exp4 (param $x v128) (result v128)
  (local $n v128) (local $r v128) (local $p v128)
  (local.set $x (f32x4.pmin (f32x4.pmax (local.get $x) ${splat(-87)}) ${splat(88)}))
  (local.set $n (f32x4.sub
    (f32x4.add (f32x4.mul (local.get $x) ${splat(LOG2_E)}) ${splat(ROUND_MAGIC)}) ${splat(ROUND_MAGIC)}))
  (local.set $r (f32x4.sub
    (f32x4.sub (local.get $x) (f32x4.mul (local.get $n) ${splat(LN2_HI)}))
    (f32x4.mul (local.get $n) ${splat(LN2_LO)})))
  (local.set $p ${splat(EXP_POLY[0]!)})
  ${lines(
    EXP_POLY.slice(1).map((c) => `(local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $r)) ${splat(c)}))`),
  )}
  (f32x4.mul
    (f32x4.add
      (f32x4.add (f32x4.mul (local.get $p) (f32x4.mul (local.get $r) (local.get $r))) (local.get $r))
      ${splat(1)})
    (i32x4.shl (i32x4.add (i32x4.trunc_sat_f32x4_s (local.get $n)) (v128.const i32x4 127 127 127 127)) (i32.const 23))))`

/** (s0 + s1) + (s2 + s3). */
const sumLanes = (name: string): string => `(f32.add
  (f32.add (f32x4.extract_lane 0 (local.get ${name})) (f32x4.extract_lane 1 (local.get ${name})))
  (f32.add (f32x4.extract_lane 2 (local.get ${name})) (f32x4.extract_lane 3 (local.get ${name}))))`

/** RMSNorm of n values, n a multiple of 4 by zero padding; `count` is the true length. */
const norm = `
(func (export "norm") (param $row i32) (param $gain i32) (param $n i32) (param $count f32) (param $eps f32)
  (param $out i32)
  (local $i i32) (local $s v128) (local $v v128)
  (loop $sum
    (local.set $v (v128.load (i32.add (local.get $row) (local.get $i))))
    (local.set $s (f32x4.add (local.get $s) (f32x4.mul (local.get $v) (local.get $v))))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $sum (i32.lt_u (local.get $i) (i32.shl (local.get $n) (i32.const 2)))))
  (local.set $s (f32x4.splat (f32.div (f32.const 1) (f32.sqrt
    (f32.add (f32.div ${sumLanes('$s')} (local.get $count)) (local.get $eps))))))
  (local.set $i (i32.const 0))
  (loop $scale
    (v128.store (i32.add (local.get $out) (local.get $i))
      (f32x4.mul
        (f32x4.mul (v128.load (i32.add (local.get $row) (local.get $i))) (local.get $s))
        (v128.load (i32.add (local.get $gain) (local.get $i)))))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $scale (i32.lt_u (local.get $i) (i32.shl (local.get $n) (i32.const 2))))))`

const rounded = (offset: number): string => `
      (local.set $v (v128.load offset=${offset} (local.get $row)))
      (local.set $r (f32x4.sub
        (f32x4.add (f32x4.div (local.get $v) (local.get $s)) ${splat(ROUND_MAGIC)}) ${splat(ROUND_MAGIC)}))
      (local.set $q${offset} (v128.and
        (i32x4.trunc_sat_f32x4_s (f32x4.pmax (f32x4.pmin (local.get $r) ${splat(QUANT_MAX)}) ${splat(-QUANT_MAX)}))
        (f32x4.le (f32x4.abs (local.get $v)) ${splat(MAX_FINITE_F32)})))`

/** Quantises n values, n a multiple of 8 by zero padding, to int16, and returns the scale. */
const quantise = `
(func (export "quantise") (param $row i32) (param $n i32) (param $q i32) (result f32)
  (local $i i32) (local $end i32) (local $v v128) (local $r v128) (local $s v128) (local $q0 v128) (local $q16 v128)
  (local $scale f32)
  (local.set $end (i32.add (local.get $row) (i32.shl (local.get $n) (i32.const 2))))
  (local.set $i (local.get $row))
  (loop $max
    (local.set $v (f32x4.abs (v128.load (local.get $i))))
    (local.set $v (v128.and (local.get $v) (f32x4.le (local.get $v) ${splat(MAX_FINITE_F32)})))
    (local.set $s (f32x4.pmax (local.get $s) (local.get $v)))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $max (i32.lt_u (local.get $i) (local.get $end))))
  (local.set $scale (f32.div
    (f32.max
      (f32.max (f32x4.extract_lane 0 (local.get $s)) (f32x4.extract_lane 1 (local.get $s)))
      (f32.max (f32x4.extract_lane 2 (local.get $s)) (f32x4.extract_lane 3 (local.get $s))))
    (f32.const ${QUANT_MAX})))
  (if (f32.lt (local.get $scale) (f32.const ${MIN_NORMAL_F32})) (then
    (memory.fill (local.get $q) (i32.const 0) (i32.shl (local.get $n) (i32.const 1)))
    (return (f32.const 0))))
  (local.set $s (f32x4.splat (local.get $scale)))
  (loop $next
    ${rounded(0)}
    ${rounded(16)}
    (v128.store (local.get $q) (i16x8.narrow_i32x4_s (local.get $q0) (local.get $q16)))
    (local.set $q (i32.add (local.get $q) (i32.const 16)))
    (local.set $row (i32.add (local.get $row) (i32.const 32)))
    (br_if $next (i32.lt_u (local.get $row) (local.get $end))))
  (local.get $scale))`

/** f(f(f32(acc) * rowScale) * columnScale) of the four at byte offset $i of two arrays. */
const scaled = (acc: string, columns: string): string => `(f32x4.mul
      (f32x4.mul (f32x4.convert_i32x4_s (v128.load (i32.add (local.get ${acc}) (local.get $i)))) (local.get $s))
      (v128.load (i32.add (local.get ${columns}) (local.get $i))))`

/** Scales n accumulators, rounded up to a multiple of 4. */
const scale = `
(func (export "scale") (param $acc i32) (param $n i32) (param $rowScale f32) (param $columns i32) (param $out i32)
  (local $i i32) (local $s v128)
  (local.set $s (f32x4.splat (local.get $rowScale)))
  (loop $next
    (v128.store (i32.add (local.get $out) (local.get $i)) ${scaled('$acc', '$columns')})
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $next (i32.lt_u (local.get $i) (i32.shl (local.get $n) (i32.const 2))))))`

/** f(silu(gate) * up), silu(x) = x / (1 + e^-x), for n gates followed by n ups; rounded up to a multiple of 4. */
const gate = `
(func (export "gate") (param $acc i32) (param $n i32) (param $rowScale f32) (param $columns i32) (param $out i32)
  (local $i i32) (local $s v128) (local $g v128) (local $accUp i32) (local $columnsUp i32)
  (local.set $s (f32x4.splat (local.get $rowScale)))
  (local.set $accUp (i32.add (local.get $acc) (i32.shl (local.get $n) (i32.const 2))))
  (local.set $columnsUp (i32.add (local.get $columns) (i32.shl (local.get $n) (i32.const 2))))
  (loop $next
    (local.set $g ${scaled('$acc', '$columns')})
    (v128.store (i32.add (local.get $out) (local.get $i)) (f32x4.mul
      (f32x4.div (local.get $g) (f32x4.add ${splat(1)} (call $exp4 (f32x4.neg (local.get $g)))))
      ${scaled('$accUp', '$columnsUp')}))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $next (i32.lt_u (local.get $i) (i32.shl (local.get $n) (i32.const 2))))))`

const accumulate = (half: 'low' | 'high', name: string): string => `
      (local.set ${name} (f32x4.add (local.get ${name}) (f32x4.mul
        (v128.load32_splat (i32.add (local.get $weights) (local.get $i)))
        (f32x4.convert_i32x4_s (i32x4.extend_${half}_i16x8_s (local.get $a))))))`

/**
 * One query head over `count` positions: scores, their maximum in order, exponentials, weighted values position by position.
 * Rows are padded to 8 * blocks values: zeros in q silence the padding of k, and that of v only reaches padding.
 */
const attend = `
(func (export "attend") (param $q i32) (param $qScale f32) (param $k i32) (param $v i32) (param $kScale i32)
  (param $vScale i32) (param $rowBytes i32) (param $scaleBytes i32) (param $count i32) (param $blocks i32)
  (param $invSqrt f32) (param $weights i32) (param $out i32)
  (local $i i32) (local $b i32) (local $at i32) (local $scaleAt i32) (local $end i32) (local $max f32) (local $score f32)
  (local $a v128) (local $s v128) (local $t v128)
  (local.set $end (i32.shl (local.get $count) (i32.const 2)))
  (local.set $at (local.get $k))
  (local.set $scaleAt (local.get $kScale))
  (loop $scores
    (local.set $a (v128.const i32x4 0 0 0 0))
    (local.set $b (i32.const 0))
    (loop $dot
      (local.set $a (i32x4.add (local.get $a) (i32x4.dot_i16x8_s
        (v128.load (i32.add (local.get $q) (i32.shl (local.get $b) (i32.const 4))))
        (v128.load8x8_s (i32.add (local.get $at) (i32.shl (local.get $b) (i32.const 3)))))))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (br_if $dot (i32.lt_u (local.get $b) (local.get $blocks))))
    (local.set $score (f32.mul (f32.mul (f32.mul
      (f32.convert_i32_s (i32.add
        (i32.add (i32x4.extract_lane 0 (local.get $a)) (i32x4.extract_lane 1 (local.get $a)))
        (i32.add (i32x4.extract_lane 2 (local.get $a)) (i32x4.extract_lane 3 (local.get $a)))))
      (local.get $qScale)) (f32.load (local.get $scaleAt))) (local.get $invSqrt)))
    (f32.store (i32.add (local.get $weights) (local.get $i)) (local.get $score))
    (if (i32.or (i32.eqz (local.get $i)) (f32.gt (local.get $score) (local.get $max)))
      (then (local.set $max (local.get $score))))
    (local.set $at (i32.add (local.get $at) (local.get $rowBytes)))
    (local.set $scaleAt (i32.add (local.get $scaleAt) (local.get $scaleBytes)))
    (local.set $i (i32.add (local.get $i) (i32.const 4)))
    (br_if $scores (i32.lt_u (local.get $i) (local.get $end))))

  (local.set $t (f32x4.splat (local.get $max)))
  (local.set $i (i32.const 0))
  (loop $exponentials
    (local.set $at (i32.add (local.get $weights) (local.get $i)))
    (v128.store (local.get $at) (call $exp4 (f32x4.sub (v128.load (local.get $at)) (local.get $t))))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $exponentials (i32.lt_u (local.get $i) (local.get $end))))
  ;; The lanes behind the last position add +0, which changes no sum of exponentials.
  (memory.fill (i32.add (local.get $weights) (local.get $end)) (i32.const 0)
    (i32.sub (local.get $i) (local.get $end)))
  (local.set $i (i32.const 0))
  (loop $sum
    (local.set $s (f32x4.add (local.get $s) (v128.load (i32.add (local.get $weights) (local.get $i)))))
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br_if $sum (i32.lt_u (local.get $i) (local.get $end))))
  (local.set $s (f32x4.splat ${sumLanes('$s')}))
  (local.set $i (i32.const 0))
  (local.set $scaleAt (local.get $vScale))
  (loop $weigh
    (local.set $at (i32.add (local.get $weights) (local.get $i)))
    (f32.store (local.get $at) (f32.mul (f32.load (local.get $at)) (f32.load (local.get $scaleAt))))
    (local.set $scaleAt (i32.add (local.get $scaleAt) (local.get $scaleBytes)))
    (local.set $i (i32.add (local.get $i) (i32.const 4)))
    (br_if $weigh (i32.lt_u (local.get $i) (local.get $end))))

  (loop $block
    (call $weighted (local.get $weights) (local.get $end) (local.get $v) (local.get $rowBytes) (local.get $out)
      (local.get $s))
    (local.set $v (i32.add (local.get $v) (i32.const 8)))
    (local.set $out (i32.add (local.get $out) (i32.const 32)))
    (br_if $block (local.tee $blocks (i32.sub (local.get $blocks) (i32.const 1))))))

(func $weighted (param $weights i32) (param $end i32) (param $v i32) (param $rowBytes i32) (param $out i32)
  (param $s v128) (local $i i32) (local $a v128) (local $low v128) (local $high v128)
  (loop $next
    (local.set $a (v128.load8x8_s (local.get $v)))
    ${accumulate('low', '$low')}
    ${accumulate('high', '$high')}
    (local.set $v (i32.add (local.get $v) (local.get $rowBytes)))
    (local.set $i (i32.add (local.get $i) (i32.const 4)))
    (br_if $next (i32.lt_u (local.get $i) (local.get $end))))
  (v128.store (local.get $out) (f32x4.div (local.get $low) (local.get $s)))
  (v128.store offset=16 (local.get $out) (f32x4.div (local.get $high) (local.get $s))))`

export const GLUE_FUNCTIONS: readonly string[] = [exp4, norm, quantise, scale, gate, attend]
