import { MIN_NORMAL_F32 } from './f32.ts'

/** Whether `value` may be a stored scale (MOD-4): +0 or a finite normal positive binary32. -0 is none. */
export function isScale(value: number): boolean {
  return Object.is(value, 0) || (value >= MIN_NORMAL_F32 && Number.isFinite(value))
}
