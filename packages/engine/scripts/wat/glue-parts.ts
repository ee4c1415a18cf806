/** Pieces that the glue's templates share. */
import { bump, get } from './text.ts'

export const lane = (i: number, value: string): string => `(f32x4.extract_lane ${i} ${value})`
/** (s0 + s1) + (s2 + s3). */
export const sumLanes = (name: string): string => `(f32.add
  (f32.add ${lane(0, get(name))} ${lane(1, get(name))})
  (f32.add ${lane(2, get(name))} ${lane(3, get(name))}))`
export const at = (base: string): string => `(i32.add ${get(base)} ${get('$i')})`
export const bytesOf = (count: string): string => `(i32.shl ${get(count)} (i32.const 2))`
/** Runs `body` for byte offsets $i = 0, 16, .. below `end`. */
export const eachVector = (end: string, body: string): string => `
  (local.set $i (i32.const 0))
  (loop $vector
    ${body}
    ${bump('$i', 16)}
    (br_if $vector (i32.lt_u ${get('$i')} ${end})))`
