/**
 * Exact integer products (MOD-3) and folded ones (WRK-3) in register tiles. Operand layouts are described in
 * `src/kernels/types.ts`.
 *
 * Two families. `pairs` needs SIMD128 only: an int16 operand, `i32x4.dot_i16x8_s`, two values of k at a time. `quads` needs
 * relaxed SIMD: an int8 operand, `i32x4.relaxed_dot_i8x16_i7x16_add_s`, four values of k and the addition in one instruction;
 * its weights carry an offset that makes them non-negative, and `corr` holds what that adds to each row, negated.
 *
 * Why these tiles: V8 has 15 vector registers to give. `pairs` needs a temporary for each product, so 4 x 8 sums are most that
 * stay in registers; `quads` holds 6 x 8. `wide` is for V8's revectorizer, which joins neighbouring vectors into 256-bit ones:
 * 6 x 16 sums are then twelve registers. It joins only what starts from two neighbouring stores with no load in between.
 */
import { bump, countDown, get, lines, range } from './text.ts'

/** Values of k that one turn of the inner loop takes. */
const K_STEP = 8
/** Bytes of the operand that one product instruction takes. */
const GROUP_BYTES = 4

export type Weights = 'quad' | 'pair8' | 'pair16'

/** Bytes of packed weights that one product instruction takes from each vector of four columns. */
const weightBytes = (weights: Weights): number => (weights === 'pair8' ? 8 : 16)

const accumulators = (rows: number, vectors: number): string[] =>
  range(rows).flatMap((r) => range(vectors).map((v) => `$c${r}_${v}`))

/** One turn of the inner loop: K_STEP values of k for all sums of the tile. Advances $a0.. and $w. */
function turn(rows: number, vectors: number, weights: Weights): string {
  const groups = K_STEP / (weights === 'quad' ? 4 : 2)
  const bytes = weightBytes(weights)
  const load = weights === 'pair8' ? 'v128.load8x8_s' : 'v128.load'
  const product = (r: number, v: number): string =>
    weights === 'quad'
      ? `(local.set $c${r}_${v} (i32x4.relaxed_dot_i8x16_i7x16_add_s ${get('$av')} ${get(`$w${v}`)} ${get(`$c${r}_${v}`)}))`
      : `(local.set $c${r}_${v} (i32x4.add ${get(`$c${r}_${v}`)} (i32x4.dot_i16x8_s ${get('$av')} ${get(`$w${v}`)})))`
  return lines([
    ...range(groups).map((group) =>
      lines([
        ...range(vectors).map(
          (v) => `(local.set $w${v} (${load} offset=${bytes * (group * vectors + v)} ${get('$w')}))`,
        ),
        ...range(rows).map((r) =>
          lines([
            `(local.set $av (v128.load32_splat offset=${GROUP_BYTES * group} ${get(`$a${r}`)}))`,
            ...range(vectors).map((v) => product(r, v)),
          ]),
        ),
      ]),
    ),
    ...range(rows).map((r) => bump(`$a${r}`, GROUP_BYTES * groups)),
    bump('$w', bytes * vectors * groups),
  ])
}

const tileLocals = (rows: number, vectors: number): string =>
  [
    ...range(rows - 1).map((r) => `(local $a${r + 1} i32)`),
    ...range(rows - 1).map((r) => `(local $p${r + 1} i32)`),
    ...range(vectors).map((v) => `(local $w${v} v128)`),
    '(local $av v128) (local $i i32)',
    ...accumulators(rows, vectors).map((name) => `(local ${name} v128)`),
  ].join(' ')

/** Row pointers $a0.. and $p0.. from $a0, $lda, $c ($p0 is $c). */
const rowPointers = (rows: number): string =>
  lines(
    range(rows - 1).flatMap((r) => [
      `(local.set $a${r + 1} (i32.add ${get(`$a${r}`)} ${get('$lda')}))`,
      `(local.set $p${r + 1} (i32.add ${get(r === 0 ? '$c' : `$p${r}`)} ${get('$ldc')}))`,
    ]),
  )

const eachRow = (rows: number, make: (row: number, pointer: string) => string): string =>
  lines(range(rows).map((r) => make(r, r === 0 ? '$c' : `$p${r}`)))

const loadTile = (rows: number, vectors: number): string =>
  eachRow(rows, (r, p) =>
    lines(range(vectors).map((v) => `(local.set $c${r}_${v} (v128.load offset=${16 * v} ${get(p)}))`)),
  )

const storeTile = (rows: number, vectors: number): string =>
  eachRow(rows, (r, p) =>
    lines(range(vectors).map((v) => `(v128.store offset=${16 * v} ${get(p)} ${get(`$c${r}_${v}`)})`)),
  )

/** Adds corr[row] to the sums of each row. */
const correct = (rows: number, vectors: number): string =>
  lines(
    range(rows).flatMap((r) => [
      `(local.set $av (v128.load32_splat offset=${4 * r} ${get('$corr')}))`,
      ...range(vectors).map((v) => `(local.set $c${r}_${v} (i32x4.add ${get(`$c${r}_${v}`)} ${get('$av')}))`),
    ]),
  )

/**
 * One register tile over `steps` x `inner` x K_STEP values of k. Each step first adds its corrections, which are `ldcorr` bytes
 * apart. With `folding`, the XOR over the rows is XORed into the vectors at x after each step, and x moves on: XOR does not care
 * in which order a lottery tile's parts come, so the partial sums of a whole one meet there without leaving registers (WRK-3).
 */
export function micro(name: string, rows: number, vectors: number, weights: Weights, folding: boolean): string {
  const xor = range(vectors).map((v) =>
    range(rows)
      .map((r) => get(`$c${r}_${v}`))
      .reduce((left, right) => `(v128.xor ${left} ${right})`),
  )
  const fold = lines([
    ...range(vectors).map((v) => `(local.set $w${v} (v128.xor (v128.load offset=${16 * v} ${get('$x')}) ${xor[v]}))`),
    ...range(vectors).map((v) => `(v128.store offset=${16 * v} ${get('$x')} ${get(`$w${v}`)})`),
    bump('$x', 16 * vectors),
  ])
  const corrections = weights === 'quad' ? `${correct(rows, vectors)} ${bump('$corr', get('$ldcorr'))}` : ''
  return `
(func ${name} (param $a0 i32) (param $lda i32) (param $w i32) (param $c i32) (param $ldc i32) (param $add i32)
  (param $inner i32) (param $steps i32) (param $x i32) (param $corr i32) (param $ldcorr i32)
  ${tileLocals(rows, vectors)}
  ${rowPointers(rows)}
  (if ${get('$add')} (then ${loadTile(rows, vectors)}))
  ${countDown(
    '$step',
    '$steps',
    `${corrections}
    (local.set $i ${get('$inner')})
    ${countDown('$turn', '$i', turn(rows, vectors, weights))}
    ${folding ? fold : ''}`,
  )}
  ${storeTile(rows, vectors)})`
}

/**
 * One register tile of the denoising product (WRK-5), added to C: operand rows are [hi | e | lo | e], weights [u | yHi] at w and
 * [yLo] at wLo, `inner` turns each; the sums of the first half count 128-fold.
 */
export function microDenoise(rows: number, vectors: number): string {
  const part = (weights: string): string => `
  (local.set $w ${get(weights)})
  (local.set $i ${get('$inner')})
  ${countDown('$turn', '$i', turn(rows, vectors, 'quad'))}`
  const shifted = accumulators(rows, vectors).map(
    (name) => `(local.set ${name} (i32x4.shl ${get(name)} (i32.const 7)))`,
  )
  const added = eachRow(rows, (r, p) =>
    lines(
      range(vectors).map(
        (v) => `(local.set $c${r}_${v} (i32x4.add ${get(`$c${r}_${v}`)} (v128.load offset=${16 * v} ${get(p)})))`,
      ),
    ),
  )
  return `
(func $denoise${rows} (param $a0 i32) (param $lda i32) (param $u i32) (param $hi i32) (param $lo i32) (param $c i32)
  (param $ldc i32) (param $inner i32) (param $corr i32) (local $w i32)
  ${tileLocals(rows, vectors)}
  ${rowPointers(rows)}
  ${part('$u')} ${part('$hi')}
  ${lines(shifted)}
  ${part('$u')} ${part('$lo')}
  ${correct(rows, vectors)}
  ${added}
  ${storeTile(rows, vectors)})`
}

/** Panels that one row takes at once: a tile of one row and one panel would wait for its few sums. */
export const ROW_PANELS = 4

/**
 * One row times ROW_PANELS panels, `panelBytes` apart: the row is read once for all of them, and there are enough sums for the
 * processor to work on.
 */
export function rowPanels(vectors: number, weights: Weights): string {
  const groups = K_STEP / (weights === 'quad' ? 4 : 2)
  const bytes = weightBytes(weights)
  const load = weights === 'pair8' ? 'v128.load8x8_s' : 'v128.load'
  const sums = range(ROW_PANELS).flatMap((p) => range(vectors).map((v) => ({ p, v, name: `$c${p}_${v}` })))
  const product = (name: string, weight: string): string =>
    weights === 'quad'
      ? `(local.set ${name} (i32x4.relaxed_dot_i8x16_i7x16_add_s ${get('$av')} ${weight} ${get(name)}))`
      : `(local.set ${name} (i32x4.add ${get(name)} (i32x4.dot_i16x8_s ${get('$av')} ${weight})))`
  return `
(func $rowPanels (param $a i32) (param $w0 i32) (param $panelBytes i32) (param $c i32) (param $add i32) (param $i i32)
  (param $corr i32) (local $av v128) ${range(ROW_PANELS - 1)
    .map((p) => `(local $w${p + 1} i32)`)
    .join(' ')} ${sums.map(({ name }) => `(local ${name} v128)`).join(' ')}
  ${lines(range(ROW_PANELS - 1).map((p) => `(local.set $w${p + 1} (i32.add ${get(`$w${p}`)} ${get('$panelBytes')}))`))}
  (if ${get('$add')} (then ${lines(
    sums.map(({ p, v, name }) => `(local.set ${name} (v128.load offset=${16 * (p * vectors + v)} ${get('$c')}))`),
  )}))
  ${
    weights === 'quad'
      ? lines([
          `(local.set $av (v128.load32_splat ${get('$corr')}))`,
          ...sums.map(({ name }) => `(local.set ${name} (i32x4.add ${get(name)} ${get('$av')}))`),
        ])
      : ''
  }
  ${countDown(
    '$turn',
    '$i',
    lines([
      ...range(groups).flatMap((group) => [
        `(local.set $av (v128.load32_splat offset=${GROUP_BYTES * group} ${get('$a')}))`,
        ...sums.map(({ p, v, name }) =>
          product(name, `(${load} offset=${bytes * (group * vectors + v)} ${get(`$w${p}`)})`),
        ),
      ]),
      bump('$a', GROUP_BYTES * groups),
      ...range(ROW_PANELS).map((p) => bump(`$w${p}`, bytes * vectors * groups)),
    ]),
  )}
  ${lines(sums.map(({ p, v, name }) => `(v128.store offset=${16 * (p * vectors + v)} ${get('$c')} ${get(name)})`))})`
}
