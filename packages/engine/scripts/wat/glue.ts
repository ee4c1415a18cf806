/**
 * The pinned binary32 arithmetic (MOD-2, MOD-4) as WebAssembly SIMD, many rows a call. Lane operations round like scalar ones and
 * the reference's four partial sums are the four lanes, so results have the same bits. No relaxed instruction is used here, and
 * none fuses. All lengths are multiples of eight by zero padding; weights' scales are zero there, so padding stays zero.
 */
import { at, bytesOf, eachVector, lane, sumLanes } from './glue-parts.ts'
import { bump, countDown, get, lines, splatF32, splatI32 } from './text.ts'

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
  (local.set $x (f32x4.pmin (f32x4.pmax ${get('$x')} ${splatF32(-87)}) ${splatF32(88)}))
  (local.set $n (f32x4.sub
    (f32x4.add (f32x4.mul ${get('$x')} ${splatF32(LOG2_E)}) ${splatF32(ROUND_MAGIC)}) ${splatF32(ROUND_MAGIC)}))
  (local.set $r (f32x4.sub
    (f32x4.sub ${get('$x')} (f32x4.mul ${get('$n')} ${splatF32(LN2_HI)}))
    (f32x4.mul ${get('$n')} ${splatF32(LN2_LO)})))
  (local.set $p ${splatF32(EXP_POLY[0]!)})
  ${lines(
    EXP_POLY.slice(1).map((c) => `(local.set $p (f32x4.add (f32x4.mul ${get('$p')} ${get('$r')}) ${splatF32(c)}))`),
  )}
  (f32x4.mul
    (f32x4.add
      (f32x4.add (f32x4.mul ${get('$p')} (f32x4.mul ${get('$r')} ${get('$r')})) ${get('$r')})
      ${splatF32(1)})
    (i32x4.shl (i32x4.add (i32x4.trunc_sat_f32x4_s ${get('$n')}) ${splatI32(127)}) (i32.const 23))))`

/** A value stored finite: +0 for infinities and NaN. */
const finite = (value: string): string =>
  `(v128.and ${value} (f32x4.le (f32x4.abs ${value}) ${splatF32(MAX_FINITE_F32)}))`
/** RMSNorm of n values; `count` is the true length. */
const norm = `
(func $norm (export "norm") (param $row i32) (param $gain i32) (param $n i32) (param $count f32) (param $eps f32)
  (param $out i32)
  (local $i i32) (local $s v128) (local $v v128)
  ${eachVector(
    bytesOf('$n'),
    `(local.set $v (v128.load ${at('$row')}))
    (local.set $s (f32x4.add ${get('$s')} (f32x4.mul ${get('$v')} ${get('$v')})))`,
  )}
  (local.set $s (f32x4.splat (f32.div (f32.const 1) (f32.sqrt
    (f32.add (f32.div ${sumLanes('$s')} ${get('$count')}) ${get('$eps')})))))
  ${eachVector(
    bytesOf('$n'),
    `(v128.store ${at('$out')}
      (f32x4.mul (f32x4.mul (v128.load ${at('$row')}) ${get('$s')}) (v128.load ${at('$gain')})))`,
  )})`

const rounded = (offset: number): string => `
      (local.set $v (v128.load offset=${offset} ${get('$row')}))
      (local.set $r (f32x4.sub
        (f32x4.add (f32x4.div ${get('$v')} ${get('$s')}) ${splatF32(ROUND_MAGIC)}) ${splatF32(ROUND_MAGIC)}))
      (local.set $q${offset} (v128.and
        (i32x4.trunc_sat_f32x4_s (f32x4.pmax (f32x4.pmin ${get('$r')} ${splatF32(QUANT_MAX)}) ${splatF32(-QUANT_MAX)}))
        (f32x4.le (f32x4.abs ${get('$v')}) ${splatF32(MAX_FINITE_F32)})))`

/** Quantises n values to int8, and returns the scale. */
const quantise = `
(func $quantise (export "quantise") (param $row i32) (param $n i32) (param $q i32) (result f32)
  (local $i i32) (local $end i32) (local $v v128) (local $r v128) (local $s v128) (local $q0 v128) (local $q16 v128)
  (local $scale f32)
  (local.set $end (i32.add ${get('$row')} ${bytesOf('$n')}))
  ${eachVector(
    bytesOf('$n'),
    `(local.set $v (f32x4.abs (v128.load ${at('$row')})))
    (local.set $v (v128.and ${get('$v')} (f32x4.le ${get('$v')} ${splatF32(MAX_FINITE_F32)})))
    (local.set $s (f32x4.pmax ${get('$s')} ${get('$v')}))`,
  )}
  (local.set $scale (f32.div
    (f32.max
      (f32.max ${lane(0, get('$s'))} ${lane(1, get('$s'))})
      (f32.max ${lane(2, get('$s'))} ${lane(3, get('$s'))}))
    (f32.const ${QUANT_MAX})))
  (if (f32.lt ${get('$scale')} (f32.const ${MIN_NORMAL_F32})) (then
    (memory.fill ${get('$q')} (i32.const 0) ${get('$n')})
    (return (f32.const 0))))
  (local.set $s (f32x4.splat ${get('$scale')}))
  (loop $next
    ${rounded(0)}
    ${rounded(16)}
    (local.set $q0 (i16x8.narrow_i32x4_s ${get('$q0')} ${get('$q16')}))
    (v128.store64_lane 0 ${get('$q')} (i8x16.narrow_i16x8_s ${get('$q0')} ${get('$q0')}))
    ${bump('$q', 8)} ${bump('$row', 32)}
    (br_if $next (i32.lt_u ${get('$row')} ${get('$end')})))
  ${get('$scale')})`

/** Norm and quantisation of `rows` rows (MOD-2): operand rows `lda` bytes apart, one scale each. `tmp` has room for one row. */
const normRows = `
(func (export "normRows") (param $rows i32) (param $row i32) (param $gain i32) (param $n i32) (param $count f32)
  (param $eps f32) (param $tmp i32) (param $q i32) (param $lda i32) (param $scales i32)
  ${countDown(
    '$each',
    '$rows',
    `(call $norm ${['$row', '$gain', '$n', '$count', '$eps', '$tmp'].map(get).join(' ')})
    (f32.store ${get('$scales')} (call $quantise ${get('$tmp')} ${get('$n')} ${get('$q')}))
    ${bump('$row', bytesOf('$n'))} ${bump('$q', get('$lda'))} ${bump('$scales', 4)}`,
  )})`

/** f(f(f32(acc) * rowScale) * columnScale) of the four at byte offset $i of two arrays; $s holds the row's scale. */
const scaled = (acc: string, columns: string): string => `(f32x4.mul
      (f32x4.mul (f32x4.convert_i32x4_s (v128.load ${at(acc)})) ${get('$s')})
      (v128.load ${at(columns)}))`

/** Scales n accumulators (MOD-3). */
const scale = `
(func $scale (export "scale") (param $acc i32) (param $n i32) (param $rowScale f32) (param $columns i32) (param $out i32)
  (local $i i32) (local $s v128)
  (local.set $s (f32x4.splat ${get('$rowScale')}))
  ${eachVector(bytesOf('$n'), `(v128.store ${at('$out')} ${scaled('$acc', '$columns')})`)})`

/** f(silu(gate) * up), silu(x) = x / (1 + e^-x), for n gates followed by n ups, quantised; `tmp` has room for n values. */
const gateRows = `
(func (export "gateRows") (param $rows i32) (param $acc i32) (param $ldacc i32) (param $n i32) (param $scales i32)
  (param $columns i32) (param $tmp i32) (param $q i32) (param $lda i32)
  (local $i i32) (local $s v128) (local $g v128) (local $accUp i32) (local $columnsUp i32)
  (local.set $columnsUp (i32.add ${get('$columns')} ${bytesOf('$n')}))
  ${countDown(
    '$each',
    '$rows',
    `(local.set $s (v128.load32_splat ${get('$scales')}))
    (local.set $accUp (i32.add ${get('$acc')} ${bytesOf('$n')}))
    ${eachVector(
      bytesOf('$n'),
      `(local.set $g ${scaled('$acc', '$columns')})
      (v128.store ${at('$tmp')} (f32x4.mul
        (f32x4.div ${get('$g')} (f32x4.add ${splatF32(1)} (call $exp4 (f32x4.neg ${get('$g')}))))
        ${scaled('$accUp', '$columnsUp')}))`,
    )}
    (f32.store ${get('$scales')} (call $quantise ${get('$tmp')} ${get('$n')} ${get('$q')}))
    ${bump('$acc', get('$ldacc'))} ${bump('$q', get('$lda'))} ${bump('$scales', 4)}`,
  )})`

/** out = base + scaled accumulators, stored finite. Rows of base and out are n values. */
const residualRows = `
(func (export "residualRows") (param $rows i32) (param $acc i32) (param $ldacc i32) (param $n i32) (param $scales i32)
  (param $columns i32) (param $base i32) (param $out i32)
  (local $i i32) (local $s v128) (local $v v128)
  ${countDown(
    '$each',
    '$rows',
    `(local.set $s (v128.load32_splat ${get('$scales')}))
    ${eachVector(
      bytesOf('$n'),
      `(local.set $v (f32x4.add (v128.load ${at('$base')}) ${scaled('$acc', '$columns')}))
      (v128.store ${at('$out')} ${finite(get('$v'))})`,
    )}
    ${bump('$acc', get('$ldacc'))} ${bump('$base', bytesOf('$n'))} ${bump('$out', bytesOf('$n'))} ${bump('$scales', 4)}`,
  )})`

/**
 * The same for grouped scales (MOD-4): f(f32(acc_g) * s_g) added in group order from +0, then times the column's scale. The groups
 * of a row's accumulators are n values apart.
 */
const groupRows = `
(func (export "groupRows") (param $rows i32) (param $acc i32) (param $groups i32) (param $n i32) (param $scales i32)
  (param $columns i32) (param $base i32) (param $out i32)
  (local $i i32) (local $g i32) (local $p i32) (local $v v128)
  ${countDown(
    '$each',
    '$rows',
    `${eachVector(
      bytesOf('$n'),
      `(local.set $v ${splatF32(0)})
      (local.set $p ${at('$acc')})
      (local.set $g (i32.const 0))
      (loop $group
        (local.set $v (f32x4.add ${get('$v')} (f32x4.mul
          (f32x4.convert_i32x4_s (v128.load ${get('$p')}))
          (v128.load32_splat (i32.add ${get('$scales')} ${get('$g')})))))
        ${bump('$p', bytesOf('$n'))} ${bump('$g', 4)}
        (br_if $group (i32.lt_u ${get('$g')} ${bytesOf('$groups')})))
      (local.set $v (f32x4.add (v128.load ${at('$base')}) (f32x4.mul ${get('$v')} (v128.load ${at('$columns')}))))
      (v128.store ${at('$out')} ${finite(get('$v'))})`,
    )}
    ${bump('$acc', `(i32.mul ${bytesOf('$groups')} ${get('$n')})`)}
    ${bump('$base', bytesOf('$n'))} ${bump('$out', bytesOf('$n'))} ${bump('$scales', bytesOf('$groups'))}`,
  )})`

/**
 * Queries, keys and values of rows at consecutive positions, out of the fused product: scaled, rotated on neighbouring pairs,
 * quantised per head. `rope` holds for each position `headDim` cosines, each twice, then sines, each twice with signs - and +;
 * keys, values and their scales go to the cache.
 */
const headRows = `
(func (export "headRows") (param $rows i32) (param $acc i32) (param $ldacc i32) (param $scales i32) (param $columns i32)
  (param $rope i32) (param $heads i32) (param $groups i32) (param $headDim i32) (param $wide i32)
  (param $q i32) (param $qScale i32) (param $k i32) (param $v i32) (param $kScale i32) (param $vScale i32)
  (local $h i32) (local $p i32)
  ${countDown(
    '$each',
    '$rows',
    `(call $scale ${get('$acc')}
      (i32.mul ${get('$headDim')} (i32.add ${get('$heads')} (i32.shl ${get('$groups')} (i32.const 1))))
      (f32.load ${get('$scales')}) ${get('$columns')} ${get('$wide')})
    (local.set $p ${get('$wide')})
    (local.set $h (i32.add ${get('$heads')} ${get('$groups')}))
    ${countDown(
      '$turn',
      '$h',
      `(call $rotate ${get('$p')} ${get('$rope')} ${get('$headDim')}) ${bump('$p', bytesOf('$headDim'))}`,
    )}
    (local.set $p ${get('$wide')})
    ${[
      ['$heads', '$q', '$qScale'],
      ['$groups', '$k', '$kScale'],
      ['$groups', '$v', '$vScale'],
    ]
      .map(
        ([count, to, scales]) => `(local.set $h ${get(count!)})
    ${countDown(
      '$turn',
      '$h',
      `(f32.store ${get(scales!)} (call $quantise ${get('$p')} ${get('$headDim')} ${get(to!)}))
      ${bump('$p', bytesOf('$headDim'))} ${bump(to!, get('$headDim'))} ${bump(scales!, 4)}`,
    )}`,
      )
      .join('\n')}
    ${bump('$acc', get('$ldacc'))} ${bump('$scales', 4)} ${bump('$rope', `(i32.shl ${get('$headDim')} (i32.const 3))`)}`,
  )})

(func $rotate (param $row i32) (param $rope i32) (param $headDim i32)
  (local $i i32) (local $v v128) (local $sines i32)
  (local.set $sines (i32.add ${get('$rope')} ${bytesOf('$headDim')}))
  ${eachVector(
    bytesOf('$headDim'),
    `(local.set $v (v128.load ${at('$row')}))
    (v128.store ${at('$row')} (f32x4.add
      (f32x4.mul ${get('$v')} (v128.load ${at('$rope')}))
      (f32x4.mul (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11 ${get('$v')} ${get('$v')})
        (v128.load ${at('$sines')}))))`,
  )})`

export const GLUE_FUNCTIONS: readonly string[] = [
  exp4,
  norm,
  quantise,
  normRows,
  scale,
  gateRows,
  residualRows,
  groupRows,
  headRows,
]
