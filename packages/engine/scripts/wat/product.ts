/** Whole products out of register tiles: rows, panels, lottery tiles. */
import { bump, countDown, get, range } from './text.ts'
import { micro, microDenoise, ROW_PANELS, rowPanels, type Weights } from './tiles.ts'

export type Family = 'pairs' | 'quads'

export interface ProductShape {
  readonly family: Family
  /** Most rows of a register tile. */
  readonly rows: number
  /** Vectors of four columns side by side: 2 or 4. */
  readonly vectors: number
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
