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

export type Family = 'pairs' | 'quads'

export interface ProductShape {
  readonly family: Family
  /** Most rows of a register tile. */
  readonly rows: number
  /** Vectors of four columns side by side: 2 or 4. */
  readonly vectors: number
}

/** Values of k that one turn of the inner loop takes. */
const K_STEP = 8
/** Bytes of the operand that one product instruction takes. */
const GROUP_BYTES = 4

type Weights = 'quad' | 'pair8' | 'pair16'

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
function micro(name: string, rows: number, vectors: number, weights: Weights, folding: boolean): string {
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
function microDenoise(rows: number, vectors: number): string {
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

/** Calls the tile function of $size rows (1..most) by a jump table; `args` gives its arguments. */
function dispatch(most: number, call: (rows: number) => string): string {
  const sizes = range(most).map((i) => i + 1)
  const opened = sizes
    .map((size) => `(block $s${size}`)
    .reverse()
    .join(' ')
  const table = `(br_table ${sizes.map((size) => `$s${size}`).join(' ')} (i32.sub ${get('$size')} (i32.const 1)))`
  const bodies = sizes.map((size) => `) ${call(size)} ${size < most ? '(br $called)' : ''}`).join('\n')
  return `(block $called ${opened} ${table} ${bodies})`
}

/** Splits $m rows into tiles of at most `most` rows, as even as can be, and runs `tile` for each with $size set. */
function rowTiles(most: number, tile: string): string {
  return `
  (local.set $tiles (i32.div_u (i32.add ${get('$m')} (i32.const ${most - 1})) (i32.const ${most})))
  (loop $next
    (local.set $size (i32.div_u (i32.sub (i32.add ${get('$m')} ${get('$tiles')}) (i32.const 1)) ${get('$tiles')}))
    ${tile}
    (local.set $m (i32.sub ${get('$m')} ${get('$size')}))
    (br_if $next (local.tee $tiles (i32.sub ${get('$tiles')} (i32.const 1)))))`
}

const forward = (to: string, by: string): string => bump(to, `(i32.mul ${get('$size')} ${by})`)

/** All rows of one panel. */
function panelRows(name: string, most: number, target: (rows: number) => string): string {
  const args = ['$a', '$lda', '$w', '$c', '$ldc', '$add', '$inner', '$steps', '$x', '$corr', '$ldcorr']
  return `
(func ${name} (param $a i32) (param $lda i32) (param $w i32) (param $c i32) (param $ldc i32) (param $m i32)
  (param $add i32) (param $inner i32) (param $steps i32) (param $x i32) (param $corr i32) (param $ldcorr i32)
  (local $tiles i32) (local $size i32)
  ${rowTiles(
    most,
    `${dispatch(most, (rows) => `(call ${target(rows)} ${args.map(get).join(' ')})`)}
    ${forward('$a', get('$lda'))} ${forward('$c', get('$ldc'))} ${forward('$corr', '(i32.const 4)')}`,
  )})`
}

/** Panels that one row takes at once: a tile of one row and one panel would wait for its few sums. */
const ROW_PANELS = 4

/**
 * One row times ROW_PANELS panels, `panelBytes` apart: the row is read once for all of them, and there are enough sums for the
 * processor to work on.
 */
function rowPanels(vectors: number, weights: Weights): string {
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

/** C (+)= A W for all rows and panels of one block of k. */
function gemm(name: string, rowsOf: string, panelColumns: number): string {
  const single =
    name === 'gemm'
      ? `
  (if (i32.eq ${get('$m')} (i32.const 1)) (then
    (block $few (loop $panels
      (br_if $few (i32.lt_u ${get('$panels')} (i32.const ${ROW_PANELS})))
      (call $rowPanels ${['$a', '$w', '$panelBytes', '$c', '$add', '$inner', '$corr'].map(get).join(' ')})
      ${bump('$w', `(i32.mul ${get('$panelBytes')} (i32.const ${ROW_PANELS}))`)} ${bump('$c', 4 * panelColumns * ROW_PANELS)}
      ${bump('$panels', -ROW_PANELS)}
      (br $panels)))
    (if (i32.eqz ${get('$panels')}) (then (return)))))`
      : ''
  return `
(func (export "${name}") (param $a i32) (param $lda i32) (param $w i32) (param $panelBytes i32) (param $c i32)
  (param $ldc i32) (param $m i32) (param $panels i32) (param $add i32) (param $inner i32) (param $corr i32)
  ${single}
  ${countDown(
    '$panel',
    '$panels',
    `(call ${rowsOf} ${get('$a')} ${get('$lda')} ${get('$w')} ${get('$c')} ${get('$ldc')} ${get('$m')} ${get('$add')}
      ${get('$inner')} (i32.const 1) (i32.const 0) ${get('$corr')} (i32.const 0))
    ${bump('$w', get('$panelBytes'))} ${bump('$c', 4 * panelColumns)}`,
  )})`
}

/**
 * C (+)= A W for whole lottery tiles over one block of k, and the fold states (WRK-3), which go on from step `firstStep`. A group
 * is `groupPanels` panels and `groupTiles` tiles wide, one of the two being 1; `parts` vectors of x belong to one tile. The `extra` rows
 * below the last tiles are multiplied without a fold while the group's weights are at hand; `corrExtra` has their corrections.
 */
function fold(panelColumns: number, vectors: number): string {
  return `
(func (export "fold") (param $a i32) (param $lda i32) (param $w i32) (param $panelBytes i32) (param $c i32) (param $ldc i32)
  (param $add i32) (param $h i32) (param $rowTiles i32) (param $groups i32) (param $groupPanels i32) (param $groupTiles i32)
  (param $parts i32) (param $columnTiles i32) (param $inner i32) (param $steps i32) (param $x i32) (param $corr i32)
  (param $ldcorr i32) (param $states i32) (param $firstStep i32) (param $extra i32) (param $corrExtra i32)
  (local $tr i32) (local $g i32) (local $p i32) (local $wp i32) (local $cp i32) (local $ar i32) (local $cr i32)
  (local $tc i32) (local $t i32)
  (loop $group
    (local.set $tr (i32.const 0))
    (local.set $ar ${get('$a')})
    (local.set $cr ${get('$c')})
    (loop $rowTile
      (memory.fill ${get('$x')} (i32.const 0) (i32.mul ${get('$steps')} (i32.const ${16 * vectors})))
      (local.set $p ${get('$groupPanels')})
      (local.set $wp ${get('$w')})
      (local.set $cp ${get('$cr')})
      ${countDown(
        '$panel',
        '$p',
        `(call $foldRows ${get('$ar')} ${get('$lda')} ${get('$wp')} ${get('$cp')} ${get('$ldc')} ${get('$h')} ${get('$add')}
          ${get('$inner')} ${get('$steps')} ${get('$x')}
          (i32.add ${get('$corr')} (i32.mul (i32.const 4) (i32.mul ${get('$tr')} ${get('$h')}))) ${get('$ldcorr')})
        ${bump('$wp', get('$panelBytes'))} ${bump('$cp', 4 * panelColumns)}`,
      )}
      (local.set $t (i32.const 0))
      (loop $tile
        (local.set $tc (i32.add (i32.mul ${get('$g')} ${get('$groupTiles')}) ${get('$t')}))
        (if (i32.lt_u ${get('$tc')} ${get('$columnTiles')}) (then
          (call $finish
            (i32.add ${get('$x')} (i32.mul (i32.const 16) (i32.mul ${get('$t')} ${get('$parts')}))) ${get('$parts')} ${get('$steps')}
            (i32.add ${get('$states')} (i32.mul (i32.const 64)
              (i32.add (i32.mul ${get('$tr')} ${get('$columnTiles')}) ${get('$tc')})))
            ${get('$firstStep')})))
        ${bump('$t', 1)}
        (br_if $tile (i32.lt_u ${get('$t')} ${get('$groupTiles')})))
      ${bump('$ar', `(i32.mul ${get('$lda')} ${get('$h')})`)}
      ${bump('$cr', `(i32.mul ${get('$ldc')} ${get('$h')})`)}
      ${bump('$tr', 1)}
      (br_if $rowTile (i32.lt_u ${get('$tr')} ${get('$rowTiles')})))
    (if ${get('$extra')} (then
      (local.set $p ${get('$groupPanels')})
      (local.set $wp ${get('$w')})
      (local.set $cp ${get('$cr')})
      ${countDown(
        '$panel',
        '$p',
        `(call $plainRows ${get('$ar')} ${get('$lda')} ${get('$wp')} ${get('$cp')} ${get('$ldc')} ${get('$extra')} ${get('$add')}
          (i32.mul ${get('$inner')} ${get('$steps')}) (i32.const 1) (i32.const 0) ${get('$corrExtra')} (i32.const 0))
        ${bump('$wp', get('$panelBytes'))} ${bump('$cp', 4 * panelColumns)}`,
      )}))
    ${bump('$w', `(i32.mul ${get('$panelBytes')} ${get('$groupPanels')})`)}
    ${bump('$c', `(i32.mul (i32.const ${4 * panelColumns}) ${get('$groupPanels')})`)}
    ${bump('$g', 1)}
    (br_if $group (i32.lt_u ${get('$g')} ${get('$groups')}))))

(func $finish (param $x i32) (param $parts i32) (param $steps i32) (param $state i32) (param $step i32)
  (local $v v128) (local $p i32) (local $word i32)
  (loop $next
    (local.set $v (v128.load ${get('$x')}))
    (local.set $p (i32.const 1))
    (block $single (loop $part
      (br_if $single (i32.ge_u ${get('$p')} ${get('$parts')}))
      (local.set $v (v128.xor ${get('$v')}
        (v128.load (i32.add ${get('$x')} (i32.shl ${get('$p')} (i32.const 4))))))
      ${bump('$p', 1)}
      (br $part)))
    (local.set $v (v128.xor ${get('$v')}
      (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 ${get('$v')} ${get('$v')})))
    (local.set $word (i32.add ${get('$state')} (i32.shl (i32.and ${get('$step')} (i32.const 15)) (i32.const 2))))
    (i32.store ${get('$word')} (i32.xor
      (i32.rotl (i32.load ${get('$word')}) (i32.const 13))
      (i32.xor (i32x4.extract_lane 0 ${get('$v')}) (i32x4.extract_lane 1 ${get('$v')}))))
    ${bump('$x', 16 * vectors)}
    ${bump('$step', 1)}
    (br_if $next (local.tee $steps (i32.sub ${get('$steps')} (i32.const 1))))))`
}

/** C += the denoising product for all rows and panels; panels of u, yHi and yLo are `panelBytes` long. */
function denoise(most: number, panelColumns: number): string {
  const args = ['$ar', '$lda', '$u', '$hi', '$lo', '$cr', '$ldc', '$inner', '$cor']
  return `
(func (export "denoise") (param $a i32) (param $lda i32) (param $u i32) (param $hi i32) (param $lo i32)
  (param $panelBytes i32) (param $c i32) (param $ldc i32) (param $rows i32) (param $panels i32) (param $inner i32)
  (param $corr i32)
  (local $m i32) (local $tiles i32) (local $size i32) (local $ar i32) (local $cr i32) (local $cor i32)
  ${countDown(
    '$panel',
    '$panels',
    `(local.set $m ${get('$rows')}) (local.set $ar ${get('$a')}) (local.set $cr ${get('$c')})
    (local.set $cor ${get('$corr')})
    ${rowTiles(
      most,
      `${dispatch(most, (rows) => `(call $denoise${rows} ${args.map(get).join(' ')})`)}
      ${forward('$ar', get('$lda'))} ${forward('$cr', get('$ldc'))} ${forward('$cor', '(i32.const 4)')}`,
    )}
    ${['$u', '$hi', '$lo'].map((name) => bump(name, get('$panelBytes'))).join(' ')} ${bump('$c', 4 * panelColumns)}`,
  )})`
}

/** All functions of a family. */
export function productFunctions(shape: ProductShape): string[] {
  const { family, rows, vectors } = shape
  const columns = 4 * vectors
  const sizes = range(rows).map((i) => i + 1)
  const set = (name: string, weights: Weights, folding: boolean): string[] => [
    ...sizes.map((size) => micro(`$${name}${size}`, size, vectors, weights, folding)),
    panelRows(`$${name}Rows`, rows, (size) => `$${name}${size}`),
  ]
  const plain: Weights = family === 'quads' ? 'quad' : 'pair8'
  const common = [
    ...set('plain', plain, false),
    ...set('fold', plain, true),
    rowPanels(vectors, plain),
    gemm('gemm', '$plainRows', columns),
    fold(columns, vectors),
  ]
  if (family === 'quads')
    return [...common, ...sizes.map((size) => microDenoise(size, vectors)), denoise(rows, columns)]
  return [...common, ...set('sums', 'pair16', false), gemm('gemm16', '$sumsRows', columns)]
}
