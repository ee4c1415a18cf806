import type { KeyedHash } from '@nacre/protocol'
import type { HashJob, Measured } from '../jobs.ts'
import { timeRuns } from '../timing.ts'

export function hashing(hash: KeyedHash): (job: HashJob, budgetMs: number) => Measured {
  const key = new Uint8Array(32).fill(1)
  return ({ bytes }, budgetMs) => {
    const message = Uint8Array.from({ length: bytes }, (_, i) => i % 251)
    return timeRuns(() => hash(key, message), budgetMs)
  }
}
