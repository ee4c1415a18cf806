/** The two verbs of the rule tests: what a rule lets pass, and what it refuses with which code. */
import { expect } from 'vitest'
import { type ErrorCode, ProtocolError } from '../../src/errors.ts'

/** `run` throws nothing. */
export function accepted(run: () => unknown): void {
  expect(outcome(run).code).toBe('accepted')
}

/** `run` throws a ProtocolError with `code`, and with `because` in its message where one code has several reasons. */
export function rejected(code: ErrorCode, run: () => unknown, because = ''): void {
  const { code: actual, message } = outcome(run)
  expect(actual, message).toBe(code)
  expect(message).toContain(because)
}

/** Anything but a ProtocolError escapes: it would be a bug, not a rejection (P8). */
function outcome(run: () => unknown): { code: ErrorCode | 'accepted'; message: string } {
  try {
    run()
    return { code: 'accepted', message: '' }
  } catch (error) {
    if (error instanceof ProtocolError) return { code: error.code, message: error.message }
    throw error
  }
}

/** `bytes` with one bit changed. */
export function flipped(bytes: Uint8Array, at = 0): Uint8Array {
  return bytes.with(at, bytes[at]! ^ 1)
}

/** 32 equal bytes: an id, a key or a hash that stands for nothing else. */
export function filled(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte)
}
