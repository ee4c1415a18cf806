/** Small helpers of the WebAssembly text templates. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
export const lines = (parts: readonly string[]): string => parts.join('\n')

const f = Math.fround
/** Four equal binary32 lanes. */
export const splatF32 = (value: number): string => {
  const text = String(f(value))
  return `(v128.const f32x4 ${text} ${text} ${text} ${text})`
}
/** Four equal int32 lanes. */
export const splatI32 = (value: number): string => `(v128.const i32x4 ${value} ${value} ${value} ${value})`
/** Eight equal int16 lanes. */
export const splatI16 = (value: number): string => `(v128.const i16x8 ${range(8).fill(value).join(' ')})`
/** Sixteen equal bytes. */
export const splatI8 = (value: number): string => `(v128.const i8x16 ${range(16).fill(value).join(' ')})`

export const get = (name: string): string => `(local.get ${name})`
/** Adds a number or an expression to a local. */
export const bump = (name: string, by: number | string): string =>
  `(local.set ${name} (i32.add (local.get ${name}) ${typeof by === 'number' ? `(i32.const ${by})` : by}))`
/** Runs `body` while the local `count` counts down to zero; it must be positive. */
export const countDown = (label: string, count: string, body: string): string =>
  `(loop ${label} ${body}
    (br_if ${label} (local.tee ${count} (i32.sub (local.get ${count}) (i32.const 1)))))`
