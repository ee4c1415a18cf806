/**
 * Noise and its removal (WRK-2, WRK-5): everything that touches the sparse factors, sixteen rows or columns at a time.
 *
 * Sixteen rows of k bytes are turned into k vectors of sixteen bytes: then index c of the sparse factor names whole vectors, and
 * a product with it is additions of vectors. `plus` and `minus` hold 16-bit indices below r.
 */
import { bump, countDown, get, lines, range, splatI16 } from './text.ts'

/** Transposes 16 x 16 bytes from rows `srcStride` apart to rows `dstStride` apart, by four rounds of interleaving. */
function transpose(): string {
  // Round by round, row i of the first half meets row i of the second half: after four rounds bytes are transposed.
  const low = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23].join(' ')
  const high = [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31].join(' ')
  let names = range(16).map((i) => `$x${i}`)
  let others = range(16).map((i) => `$y${i}`)
  const rounds: string[] = []
  for (let round = 0; round < 4; round++) {
    const from = names
    const to = others
    rounds.push(
      ...range(8).flatMap((i) => [
        `(local.set ${to[2 * i]} (i8x16.shuffle ${low} ${get(from[i]!)} ${get(from[i + 8]!)}))`,
        `(local.set ${to[2 * i + 1]} (i8x16.shuffle ${high} ${get(from[i]!)} ${get(from[i + 8]!)}))`,
      ]),
    )
    names = to
    others = from
  }
  return `
(func $transpose (param $src i32) (param $srcStride i32) (param $dst i32) (param $dstStride i32)
  ${range(16)
    .map((i) => `(local $x${i} v128) (local $y${i} v128)`)
    .join(' ')}
  ${lines(range(16).map((i) => `(local.set $x${i} (v128.load ${get('$src')})) ${bump('$src', get('$srcStride'))}`))}
  ${lines(rounds)}
  ${lines(range(16).map((i) => `(v128.store ${get('$dst')} ${get(names[i]!)}) ${bump('$dst', get('$dstStride'))}`))})`
}

/** Sixteen rows of `count` bytes, a multiple of 16, to `count` vectors (`toColumns`), and back (`toRows`). */
const transposed = `
(func (export "toColumns") (param $src i32) (param $stride i32) (param $dst i32) (param $count i32)
  (loop $next
    (call $transpose ${get('$src')} ${get('$stride')} ${get('$dst')} (i32.const 16))
    ${bump('$src', 16)} ${bump('$dst', 256)}
    (br_if $next (local.tee $count (i32.sub ${get('$count')} (i32.const 16))))))
(func (export "toRows") (param $src i32) (param $dst i32) (param $stride i32) (param $count i32)
  (loop $next
    (call $transpose ${get('$src')} (i32.const 16) ${get('$dst')} ${get('$stride')})
    ${bump('$src', 256)} ${bump('$dst', 16)}
    (br_if $next (local.tee $count (i32.sub ${get('$count')} (i32.const 16))))))`

const at = (base: string): string => `(i32.add ${get(base)} ${get('$i')})`

/** Address of the vector of sixteen bytes of `base` whose 16-bit index is at `list`. */
const indexed = (list: string, base: string): string =>
  `(i32.add ${get(base)} (i32.shl (i32.load16_u ${get(list)}) (i32.const 4)))`

/** dst[c] = src[c] + uniform[plus[c]] - uniform[minus[c]] for `count` vectors of bytes: A + E and W + F (WRK-2). */
const addNoise = `
(func (export "addNoise") (param $dst i32) (param $src i32) (param $uniform i32) (param $plus i32) (param $minus i32)
  (param $count i32)
  ${countDown(
    '$next',
    '$count',
    `(v128.store ${get('$dst')} (i8x16.sub
      (i8x16.add (v128.load ${get('$src')}) (v128.load ${indexed('$plus', '$uniform')}))
      (v128.load ${indexed('$minus', '$uniform')})))
    ${bump('$dst', 16)} ${bump('$src', 16)} ${bump('$plus', 2)} ${bump('$minus', 2)}`,
  )})`

/** Adds (`op`) the vectors of bytes that a list names, up to $end, to the int16 sums $l0, $h0, .. of each panel. */
const collect = (op: 'add' | 'sub', panels: number): string => `
    (block $done (loop $entry
      (br_if $done (i32.ge_u ${get('$list')} ${get('$end')}))
      (local.set $p ${indexed('$list', '$src')})
      ${lines(
        range(panels).map(
          (i) => `
      (local.set $v (v128.load ${i === 0 ? get('$p') : `(i32.add ${get('$p')} ${get('$srcBytes')})`}))
      (local.set $l${i} (i16x8.${op} ${get(`$l${i}`)} (i16x8.extend_low_i8x16_s ${get('$v')})))
      (local.set $h${i} (i16x8.${op} ${get(`$h${i}`)} (i16x8.extend_high_i8x16_s ${get('$v')})))`,
        ),
      )}
      ${bump('$list', 2)}
      (br $entry)))`

/**
 * A product with a sparse factor: sum t, sixteen int16, is the vectors of bytes that `list` names for +1 at t less those that it
 * names for -1, added to what is there if `add`. `list` has both lists of t one after the other, for each t; `ends` says where
 * each ends, in entries, 32 bits; there are `count` vectors. With two panels the second's vectors and sums lie `srcBytes` and `sumsBytes` behind the first's.
 */
const gather = (name: string, panels: 1 | 2): string => {
  const sums = (i: number): string => (i === 0 ? get('$sums') : `(i32.add ${get('$sums')} ${get('$sumsBytes')})`)
  const each = (make: (i: number) => string): string => lines(range(panels).map(make))
  return `
(func (export "${name}") (param $sums i32) (param $src i32) (param $list i32) (param $ends i32) (param $r i32)
  (param $add i32) (param $count i32) (param $srcBytes i32) (param $sumsBytes i32)
  (local $v v128) (local $i i32) (local $p i32) (local $base i32) (local $end i32)
  ${each((i) => `(local $l${i} v128) (local $h${i} v128)`)}
  (local.set $base ${get('$list')})
  ;; Reads each cache line once in order: the processor fetches ahead only then, and the lists jump about.
  (loop $touch
    ${each((i) => `(local.set $l0 (v128.xor ${get('$l0')} (v128.load ${i === 0 ? at('$src') : `(i32.add ${at('$src')} ${get('$srcBytes')})`})))`)}
    ${bump('$i', 64)}
    (br_if $touch (i32.lt_u ${get('$i')} (i32.shl ${get('$count')} (i32.const 4)))))
  (v128.store ${get('$sums')} (select (v128.load ${get('$sums')}) ${get('$l0')} ${get('$add')}))
  ${countDown(
    '$next',
    '$r',
    `(if ${get('$add')}
      (then ${each(
        (i) => `
        (local.set $l${i} (v128.load ${sums(i)}))
        (local.set $h${i} (v128.load offset=16 ${sums(i)}))`,
      )})
      (else ${each((i) => `(local.set $l${i} ${splatI16(0)}) (local.set $h${i} ${splatI16(0)})`)}))
    (local.set $end (i32.add ${get('$base')} (i32.shl (i32.load ${get('$ends')}) (i32.const 1))))
    ${collect('add', panels)}
    (local.set $end (i32.add ${get('$base')} (i32.shl (i32.load offset=4 ${get('$ends')}) (i32.const 1))))
    ${collect('sub', panels)}
    ${each((i) => `(v128.store ${sums(i)} ${get(`$l${i}`)}) (v128.store offset=16 ${sums(i)} ${get(`$h${i}`)})`)}
    ${bump('$sums', 32)} ${bump('$ends', 8)}`,
  )})`
}

export const SPARSE_FUNCTIONS: readonly string[] = [
  transpose(),
  transposed,
  addNoise,
  gather('gather', 1),
  gather('gatherTwo', 2),
]
