/** How figures look on the terminal and in the report. */
import { GRAINS_PER_NCR } from '@nacre/protocol'

const SECOND_MS = 1000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000
const YEAR_MS = 365 * DAY_MS

/** Three significant digits, without trailing zeros. */
export function short(value: number): string {
  if (value === 0) return '0'
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)))
}

/** Never rounded to all of it. */
export function percent(value: number): string {
  return value < 100 && short(value) === '100' ? '> 99.9 %' : `${short(value)} %`
}

/** `part` of `whole` in percent; 0 of nothing is 0. */
export function percentOf(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : (100 * Number(part)) / Number(whole)
}

/** Grains as NCR, whole where there are many. */
export function ncr(grains: bigint): string {
  return `${short(Number(grains) / Number(GRAINS_PER_NCR))} NCR`
}

/** A length of time in its largest fitting unit. */
export function duration(ms: number): string {
  const size = Math.abs(ms)
  if (size < SECOND_MS) return `${short(ms)} ms`
  if (size < MINUTE_MS) return `${short(ms / SECOND_MS)} s`
  if (size < 2 * HOUR_MS) return `${short(ms / MINUTE_MS)} min`
  if (size < 2 * DAY_MS) return `${short(ms / HOUR_MS)} h`
  if (size < 2 * YEAR_MS) return `${short(ms / DAY_MS)} days`
  return `${short(ms / YEAR_MS)} years`
}

/** The unit in which an axis of `days` is easy to read, and how many of them a day has. */
export function axisUnit(days: number): { readonly name: string; readonly perDay: number } {
  if (days >= 2) return { name: 'days', perDay: 1 }
  if (days >= 2 / 24) return { name: 'hours', perDay: 24 }
  return { name: 'minutes', perDay: 1440 }
}

/** `5 blocks`, `1 block`. */
export const counted = (count: number, thing: string): string =>
  `${count.toLocaleString('en-US')} ${thing}${count === 1 ? '' : 's'}`

/** The beginning of a key: enough to tell keys apart. */
export const shortKey = (key: string): string => key.slice(0, 12)
