/** Traces of delivered units on disk, so that a miner that starts again still has what it owes (AUD-3). */
import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs'
import { open, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Logger, NodeError } from '@nacre/node'
import { bytesToHex, type ModelDims, type Trace } from '@nacre/protocol'
import { decodeTrace, decodeTraceHeader, encodeTrace, TRACE_HEADER_BYTES, traceFileBytes } from './trace-codec.ts'

const SUFFIX = '.trace'
const NAME = /^[0-9a-f]{64}\.trace$/

export interface TraceFilesOptions {
  /** A folder of its own; made if it is not there. */
  readonly dir: string
  /** Bytes of all files together. */
  readonly quotaBytes: number
  /** Dimensions of a registered model, by its id of 32 bytes. */
  readonly dimsOf: (modelId: Uint8Array) => ModelDims | undefined
  readonly log: Logger
}

interface Kept {
  readonly bytes: number
  readonly untilHeight: number
}

/**
 * One file for each job, written beside its place and then moved there, so that none is ever half there. Each has the height until which it is
 * owed. Where a new one has no room under the quota, those go first that nobody may ask for any more, then those that are owed for the
 * shortest time; what has gone can be executed again. A file that cannot be read is a typed error, once: it is dropped.
 */
export class TraceFiles {
  readonly #options: TraceFilesOptions
  /** By job, hex. */
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #height = 0
  /** One after the other: what is dropped is gone before the next is written. */
  #last: Promise<unknown> = Promise.resolve()

  /** Reads the headers of what an earlier process left. What is no trace file of a registered model is dropped; other files stay. */
  constructor(options: TraceFilesOptions) {
    this.#options = options
    mkdirSync(options.dir, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(options.dir)) {
      if (name.endsWith(`${SUFFIX}.tmp`)) rmSync(join(options.dir, name), { force: true })
      if (!NAME.test(name)) continue
      const jobId = name.slice(0, -SUFFIX.length)
      const kept = this.#headerOf(name)
      if (kept === undefined) rmSync(join(options.dir, name), { force: true })
      else this.#add(jobId, kept)
    }
    void this.#queue(() => this.#makeRoom(0))
  }

  /** Bytes of all files. */
  get bytes(): number {
    return this.#bytes
  }

  /** @param jobId hex. */
  has(jobId: string): boolean {
    return this.#kept.has(jobId)
  }

  /** Keeps the trace of a job up to a height. Resolves to false if it alone exceeds the quota, or the disk refuses it. @param jobId hex. */
  put(jobId: string, modelId: Uint8Array, trace: Trace, untilHeight: number): Promise<boolean> {
    return this.#queue(async () => {
      const { quotaBytes, log } = this.#options
      const bytes = traceFileBytes(trace.shape)
      if (bytes > quotaBytes || this.#kept.has(jobId)) return this.#kept.has(jobId)
      await this.#makeRoom(bytes)
      const path = this.#pathOf(jobId)
      try {
        await writeFile(`${path}.tmp`, encodeTrace(modelId, untilHeight, trace), { mode: 0o600 })
        await rename(`${path}.tmp`, path)
      } catch (error) {
        // A full disk costs the copy, not the miner.
        log.error({ event: 'trace_not_written', jobId, error: error instanceof Error ? error.message : String(error) })
        await rm(`${path}.tmp`, { force: true })
        return false
      }
      this.#add(jobId, { bytes, untilHeight })
      return true
    })
  }

  /**
   * The trace of a job; undefined if it is not here. Rejects with NodeError TRACE_CORRUPT if its file is not what was written, which
   * is then dropped. @param jobId hex.
   */
  get(jobId: string): Promise<Trace | undefined> {
    return this.#queue(async () => {
      const kept = this.#kept.get(jobId)
      if (kept === undefined) return undefined
      try {
        return await this.#read(jobId, kept.bytes)
      } catch (error) {
        await this.#drop(jobId)
        if (error instanceof NodeError) throw error
        throw new NodeError('TRACE_CORRUPT', 'the file of the trace cannot be read', { cause: error })
      }
    })
  }

  /** Drops what nobody may ask for at this height any more. */
  expire(height: number): Promise<void> {
    this.#height = height
    return this.#queue(async () => {
      for (const [jobId, { untilHeight }] of this.#kept) if (untilHeight < height) await this.#drop(jobId)
    })
  }

  async #read(jobId: string, bytes: number): Promise<Trace> {
    const file = await open(this.#pathOf(jobId), 'r')
    try {
      const { size } = await file.stat()
      if (size !== bytes) throw new NodeError('TRACE_CORRUPT', `the file of the trace has ${size} bytes, not ${bytes}`)
      const content = new Uint8Array(bytes)
      await file.read(content, 0, bytes, 0)
      const dims = this.#options.dimsOf(decodeTraceHeader(content).modelId)
      if (dims === undefined) throw new NodeError('TRACE_CORRUPT', 'the trace is of a model that is not registered')
      return decodeTrace(content, dims)
    } finally {
      await file.close()
    }
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { quotaBytes, log } = this.#options
    // Those that have expired have the lowest heights.
    const inOrder = [...this.#kept].sort(([, a], [, b]) => a.untilHeight - b.untilHeight)
    for (const [jobId, { untilHeight }] of inOrder) {
      if (this.#bytes + bytes <= quotaBytes) return
      if (untilHeight >= this.#height) log.warn({ event: 'trace_dropped', jobId, untilHeight, quotaBytes })
      await this.#drop(jobId)
    }
  }

  async #drop(jobId: string): Promise<void> {
    const kept = this.#kept.get(jobId)
    if (kept === undefined) return
    this.#kept.delete(jobId)
    this.#bytes -= kept.bytes
    await rm(this.#pathOf(jobId), { force: true })
  }

  #add(jobId: string, kept: Kept): void {
    this.#kept.set(jobId, kept)
    this.#bytes += kept.bytes
  }

  /** What a file's header says, if its length is that of such a trace. */
  #headerOf(name: string): Kept | undefined {
    const { dir, dimsOf, log } = this.#options
    const path = join(dir, name)
    const header = new Uint8Array(TRACE_HEADER_BYTES)
    const file = openSync(path, 'r')
    try {
      readSync(file, header, 0, header.length, 0)
      const { modelId, untilHeight, promptTokens, newTokens } = decodeTraceHeader(header)
      const dims = dimsOf(modelId)
      const bytes = statSync(path).size
      if (dims !== undefined && bytes === traceFileBytes({ promptTokens, newTokens, dims }))
        return { bytes, untilHeight }
      log.error({ event: 'trace_unreadable', name, modelId: bytesToHex(modelId), bytes })
    } catch (error) {
      if (!(error instanceof NodeError)) throw error
      log.error({ event: 'trace_unreadable', name, code: error.code })
    } finally {
      closeSync(file)
    }
    return undefined
  }

  #pathOf(jobId: string): string {
    return join(this.#options.dir, jobId + SUFFIX)
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }
}
