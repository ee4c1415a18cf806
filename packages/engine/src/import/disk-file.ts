/** Reading other projects' files by position: nothing is loaded that was not asked for. */
import type { FileHandle } from 'node:fs/promises'
import { openRegularFile, readExactly } from '../files/regular-file.ts'
import { malformed } from '../files/safetensors.ts'

/** A file that is open for reading. */
export class DiskFile {
  readonly path: string
  /** Bytes, when it was opened. */
  readonly size: number
  readonly #handle: FileHandle

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path
    this.size = size
    this.#handle = handle
  }

  /** Throws MODEL_MALFORMED for what is no regular file, or the error of the disk. */
  static async open(path: string): Promise<DiskFile> {
    const { handle, size } = await openRegularFile(path)
    return new DiskFile(path, size, handle)
  }

  /** Exactly `length` bytes from `position` on. Throws MODEL_MALFORMED if the file ends before, without allocating. */
  async read(position: number, length: number): Promise<Uint8Array> {
    if (position + length > this.size) malformed(`${this.path} ends at ${this.size}, before ${position + length}`)
    return readExactly(this.#handle, this.path, position, length)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** Text as JSON. Throws MODEL_MALFORMED. */
export function parseJson(path: string, bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    malformed(`${path} is no JSON`)
  }
  return asRecord(value) ?? malformed(`${path} is no JSON object`)
}

/** A JSON object as it is, anything else as undefined. */
export function asRecord(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return value as Record<string, unknown>
}
