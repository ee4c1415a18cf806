import { setTimeout as delay } from 'node:timers/promises'
import { isSilence } from '@nacre/node/rpc-client'
import { endedBy, jobErrorOf } from './errors.ts'

const SILENT_PAUSE_MS = 500

/** Asks a node until it answers, for as long as it may be silent. Throws JobError. */
export async function ask<T>(silenceMs: number, signal: AbortSignal, question: () => Promise<T>): Promise<T> {
  const startMs = performance.now()
  for (;;) {
    try {
      return await question()
    } catch (error) {
      if (signal.aborted) throw endedBy(signal, 'the node was being asked')
      if (!isSilence(error) || performance.now() - startMs > silenceMs) throw jobErrorOf(error)
    }
    await delay(SILENT_PAUSE_MS, undefined, { signal }).catch(() => undefined)
  }
}
