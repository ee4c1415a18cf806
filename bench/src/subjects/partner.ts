/** A second thread that works at the same time as the one that measures, for jobs on two threads. */
import { Worker } from 'node:worker_threads'
import type { GemmCall, KernelLimits, KernelMemory, KernelName } from '../../../packages/engine/src/kernels/types.ts'
import type { TokenModel } from '../jobs.ts'

/** What the second thread is for. Kernels and engines are made there anew; the memory is shared. */
export type PartnerTask =
  | {
      readonly kind: 'gemm'
      readonly kernels: KernelName
      readonly memory: KernelMemory
      readonly scratch: number
      readonly limits: KernelLimits
      readonly call: GemmCall
    }
  | {
      readonly kind: 'tokens'
      readonly kernels: KernelName
      readonly memory: KernelMemory
      readonly model: TokenModel
      readonly promptTokens: number
      readonly newTokens: number
    }

export interface PartnerData {
  readonly task: PartnerTask
  readonly control: SharedArrayBuffer
}

/** Words of the control: how often work was asked for, and how often it was done; -1 there says that the thread failed. */
export const ASKED = 0
export const DONE = 1
export const FAILED = -1
/** A thread looks this often before it sleeps: two halves of a product end within microseconds of each other. */
const LOOKS = 20_000

export class Partner {
  readonly #words: Int32Array
  #failure: unknown

  private constructor(words: Int32Array, worker: Worker) {
    this.#words = words
    worker.on('error', (error) => {
      this.#failure = error
    })
    worker.unref()
  }

  /** Starts the thread and waits until it is ready. Rejects if it does not come up. */
  static async start(task: PartnerTask): Promise<Partner> {
    const control = new SharedArrayBuffer(8)
    const worker = new Worker(new URL('./partner-thread.ts', import.meta.url), {
      workerData: { task, control } satisfies PartnerData,
    })
    await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    return new Partner(new Int32Array(control), worker)
  }

  /** Both threads work once; returns when both are done. */
  together(own: () => void): void {
    const asked = Atomics.add(this.#words, ASKED, 1) + 1
    Atomics.notify(this.#words, ASKED)
    own()
    waitFor(this.#words, DONE, (done) => done === asked || done === FAILED)
    if (Atomics.load(this.#words, DONE) === FAILED)
      throw new Error('the second thread failed', { cause: this.#failure })
  }
}

/** Looks for a while, then sleeps, until a word is as wanted; returns it. */
export function waitFor(words: Int32Array, at: number, wanted: (value: number) => boolean): number {
  for (;;) {
    let value = Atomics.load(words, at)
    for (let i = 0; i < LOOKS && !wanted(value); i++) value = Atomics.load(words, at)
    if (wanted(value)) return value
    Atomics.wait(words, at, value)
  }
}
