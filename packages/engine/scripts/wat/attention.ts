/** Attention over cached keys and values (MOD-4), as the rest of the glue in the reference's order of operations. */
import { at, bytesOf, eachVector, sumLanes } from './glue-parts.ts'
import { bump, countDown, get, lines, range, splatI32 } from './text.ts'

/** Columns that one pass over the values takes: `blocks` times eight. */
const weighted = (blocks: 1 | 2): string => {
  const parts = range(2 * blocks)
  const half = (i: number): string =>
    blocks === 1 ? get('$a') : `(i16x8.extend_${i < 2 ? 'low' : 'high'}_i8x16_s ${get('$a')})`
  return `
(func $weighted${blocks} (param $weights i32) (param $end i32) (param $v i32) (param $rowBytes i32) (param $out i32)
  (param $s v128) (local $i i32) (local $a v128) (local $w v128) ${parts.map((i) => `(local $c${i} v128)`).join(' ')}
  (loop $next
    (local.set $a (${blocks === 1 ? 'v128.load8x8_s' : 'v128.load'} ${get('$v')}))
    (local.set $w (v128.load32_splat ${at('$weights')}))
    ${lines(
      parts.map(
        (i) => `(local.set $c${i} (f32x4.add ${get(`$c${i}`)} (f32x4.mul ${get('$w')}
      (f32x4.convert_i32x4_s (i32x4.extend_${i % 2 === 0 ? 'low' : 'high'}_i16x8_s ${half(i)})))))`,
      ),
    )}
    ${bump('$v', get('$rowBytes'))} ${bump('$i', 4)}
    (br_if $next (i32.lt_u ${get('$i')} ${get('$end')})))
  ${lines(parts.map((i) => `(v128.store offset=${16 * i} ${get('$out')} (f32x4.div ${get(`$c${i}`)} ${get('$s')}))`))})`
}

/** One query head over `count` rows of keys and values (MOD-4). `weights` has room for count values, rounded up to four. */
const attend = `
(func $attend (param $q i32) (param $qScale f32) (param $k i32) (param $v i32) (param $kScale i32) (param $vScale i32)
  (param $rowBytes i32) (param $scaleBytes i32) (param $count i32) (param $headDim i32) (param $invSqrt f32)
  (param $weights i32) (param $out i32)
  (local $i i32) (local $end i32) (local $at i32) (local $scaleAt i32) (local $d i32) (local $left i32)
  (local $score f32) (local $max f32) (local $s v128) (local $t v128) (local $a v128)
  (local.set $end ${bytesOf('$count')})
  (local.set $at ${get('$k')})
  (local.set $scaleAt ${get('$kScale')})
  (loop $scores
    (local.set $a ${splatI32(0)})
    (local.set $d (i32.const 0))
    (loop $dot
      (local.set $a (i32x4.add ${get('$a')} (i32x4.dot_i16x8_s
        (v128.load8x8_s (i32.add ${get('$q')} ${get('$d')})) (v128.load8x8_s (i32.add ${get('$at')} ${get('$d')})))))
      ${bump('$d', 8)}
      (br_if $dot (i32.lt_u ${get('$d')} ${get('$headDim')})))
    (local.set $score (f32.mul (f32.mul (f32.mul
      (f32.convert_i32_s (i32.add
        (i32.add (i32x4.extract_lane 0 ${get('$a')}) (i32x4.extract_lane 1 ${get('$a')}))
        (i32.add (i32x4.extract_lane 2 ${get('$a')}) (i32x4.extract_lane 3 ${get('$a')}))))
      ${get('$qScale')}) (f32.load ${get('$scaleAt')})) ${get('$invSqrt')}))
    (f32.store ${at('$weights')} ${get('$score')})
    (if (i32.or (i32.eqz ${get('$i')}) (f32.gt ${get('$score')} ${get('$max')}))
      (then (local.set $max ${get('$score')})))
    ${bump('$at', get('$rowBytes'))} ${bump('$scaleAt', get('$scaleBytes'))} ${bump('$i', 4)}
    (br_if $scores (i32.lt_u ${get('$i')} ${get('$end')})))

  (local.set $t (f32x4.splat ${get('$max')}))
  ${eachVector(
    get('$end'),
    `(v128.store ${at('$weights')} (call $exp4 (f32x4.sub (v128.load ${at('$weights')}) ${get('$t')})))`,
  )}
  ;; The lanes behind the last position add +0, which changes no sum of exponentials.
  (memory.fill (i32.add ${get('$weights')} ${get('$end')}) (i32.const 0) (i32.sub ${get('$i')} ${get('$end')}))
  ${eachVector(get('$end'), `(local.set $s (f32x4.add ${get('$s')} (v128.load ${at('$weights')})))`)}
  (local.set $s (f32x4.splat ${sumLanes('$s')}))
  (local.set $i (i32.const 0))
  (local.set $scaleAt ${get('$vScale')})
  (loop $weigh
    (f32.store ${at('$weights')} (f32.mul (f32.load ${at('$weights')}) (f32.load ${get('$scaleAt')})))
    ${bump('$scaleAt', get('$scaleBytes'))} ${bump('$i', 4)}
    (br_if $weigh (i32.lt_u ${get('$i')} ${get('$end')})))

  (local.set $left ${get('$headDim')})
  (loop $block
    (if (i32.ge_u ${get('$left')} (i32.const 16))
      (then
        (call $weighted2 ${['$weights', '$end', '$v', '$rowBytes', '$out', '$s'].map(get).join(' ')})
        ${bump('$v', 16)} ${bump('$out', 64)} ${bump('$left', -16)})
      (else
        (call $weighted1 ${['$weights', '$end', '$v', '$rowBytes', '$out', '$s'].map(get).join(' ')})
        ${bump('$v', 8)} ${bump('$out', 32)} ${bump('$left', -8)}))
    (br_if $block ${get('$left')})))`

/**
 * All query heads of rows at consecutive positions, of which the first sees `count` rows of the cache; the outputs of each KV group
 * are quantised together (MOD-4). `tmp` has room for a group, `weights` for the largest count.
 */
const attendRows = `
(func (export "attendRows") (param $rows i32) (param $count i32) (param $q i32) (param $qScale i32) (param $k i32)
  (param $v i32) (param $kScale i32) (param $vScale i32) (param $groups i32) (param $groupHeads i32) (param $headDim i32)
  (param $invSqrt f32) (param $weights i32) (param $tmp i32) (param $out i32) (param $outScale i32)
  (local $g i32) (local $h i32) (local $to i32)
  ${countDown(
    '$each',
    '$rows',
    `(local.set $g (i32.const 0))
    (loop $group
      (local.set $h ${get('$groupHeads')})
      (local.set $to ${get('$tmp')})
      ${countDown(
        '$head',
        '$h',
        `(call $attend ${get('$q')} (f32.load ${get('$qScale')})
          (i32.add ${get('$k')} (i32.mul ${get('$g')} ${get('$headDim')}))
          (i32.add ${get('$v')} (i32.mul ${get('$g')} ${get('$headDim')}))
          (i32.add ${get('$kScale')} ${bytesOf('$g')}) (i32.add ${get('$vScale')} ${bytesOf('$g')})
          (i32.mul ${get('$groups')} ${get('$headDim')}) ${bytesOf('$groups')} ${get('$count')} ${get('$headDim')}
          ${get('$invSqrt')} ${get('$weights')} ${get('$to')})
        ${bump('$to', bytesOf('$headDim'))} ${bump('$q', get('$headDim'))} ${bump('$qScale', 4)}`,
      )}
      (f32.store ${get('$outScale')}
        (call $quantise ${get('$tmp')} (i32.mul ${get('$groupHeads')} ${get('$headDim')}) ${get('$out')}))
      ${bump('$out', `(i32.mul ${get('$groupHeads')} ${get('$headDim')})`)} ${bump('$outScale', 4)}
      ${bump('$g', 1)}
      (br_if $group (i32.lt_u ${get('$g')} ${get('$groups')})))
    ${bump('$count', 1)}`,
  )})`

export const ATTENTION_FUNCTIONS: readonly string[] = [weighted(1), weighted(2), attend, attendRows]
