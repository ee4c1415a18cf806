import type { Clock } from '../ports/clock.ts'

/** setTimeout takes a signed 32-bit delay and fires at once above it; longer delays are taken in steps. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The wall clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, callback) => {
    let left = Math.max(0, delayMs)
    let timer: NodeJS.Timeout
    const arm = (): void => {
      const step = Math.min(left, MAX_TIMER_MS)
      left -= step
      timer = setTimeout(left > 0 ? arm : callback, step)
    }
    arm()
    return () => clearTimeout(timer)
  },
}
