import type { ChainStore } from '@nacre/node'
import { u32ListToBytes } from '@nacre/protocol'

/** What a job's unit generated: a function of the job alone, whatever the branch (UNT-1). */
export interface Answer {
  /** Generated ones only. */
  readonly tokens: readonly number[]
  readonly traceRoot: Uint8Array
}

/** Answers kept: more than can be assigned and undelivered at once on any preset. */
const MAX_ANSWERS = 512
const PREFIX = 'miner/answer/'

/** Answers by job, in the store too: a restarted miner executes no job again (P5). Bounded; the oldest go first. */
export class AnswerBook {
  readonly #store: ChainStore
  readonly #answers = new Map<string, Answer>()

  constructor(store: ChainStore) {
    this.#store = store
    for (const [key, bytes] of store.notes(PREFIX)) this.#answers.set(key.slice(PREFIX.length), decode(bytes))
  }

  /** @param jobId hex. */
  get(jobId: string): Answer | undefined {
    return this.#answers.get(jobId)
  }

  put(jobId: string, answer: Answer): void {
    this.#store.setNote(PREFIX + jobId, encode(answer))
    this.#answers.set(jobId, answer)
    if (this.#answers.size <= MAX_ANSWERS) return
    const oldest = this.#answers.keys().next().value!
    this.#answers.delete(oldest)
    this.#store.dropNote(PREFIX + oldest)
  }
}

/** Trace root, then the tokens as u32 each. */
function encode({ tokens, traceRoot }: Answer): Uint8Array {
  const bytes = new Uint8Array(32 + 4 * tokens.length)
  bytes.set(traceRoot)
  bytes.set(u32ListToBytes(tokens), 32)
  return bytes
}

function decode(bytes: Uint8Array): Answer {
  const view = new DataView(bytes.buffer, bytes.byteOffset + 32, bytes.length - 32)
  const tokens = Array.from({ length: view.byteLength / 4 }, (_, i) => view.getUint32(4 * i, true))
  return { traceRoot: bytes.slice(0, 32), tokens }
}
