import { type FileHandle, mkdir, open, rename, rmdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A file that appears under its name whole or not at all: written beside it, then renamed. */
export class PartialFile {
  readonly #path: string
  readonly #partial: string
  readonly #handle: FileHandle
  /** The first folder that had to be made. */
  readonly #madeFolder: string | undefined

  private constructor(path: string, partial: string, handle: FileHandle, madeFolder: string | undefined) {
    this.#path = path
    this.#partial = partial
    this.#handle = handle
    this.#madeFolder = madeFolder
  }

  /** Begins a file, with its folder if need be. Throws the error of the disk. */
  static async begin(path: string): Promise<PartialFile> {
    const folder = dirname(path)
    const made = await mkdir(folder, { recursive: true })
    const partial = `${path}.${process.pid}.partial`
    try {
      return new PartialFile(path, partial, await open(partial, 'wx'), made)
    } catch (error) {
      if (made !== undefined) await removeFolders(folder, made)
      throw error
    }
  }

  /** Writes all of `bytes` at a position. */
  async write(position: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  }

  /** The file takes its name, and the place of another that had it. */
  async commit(): Promise<void> {
    await this.#handle.sync()
    await this.#handle.close()
    await rename(this.#partial, this.#path)
  }

  /** Leaves nothing behind, neither the file nor folders made for it. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined)
    await unlink(this.#partial).catch(() => undefined)
    if (this.#madeFolder !== undefined) await removeFolders(dirname(this.#path), this.#madeFolder)
  }
}

/** Removes empty folders from `from` up to `to`; stops at one that something else lies in by now. */
async function removeFolders(from: string, to: string): Promise<void> {
  for (let folder = from; ; folder = dirname(folder)) {
    try {
      await rmdir(folder)
    } catch {
      return
    }
    if (folder === to || dirname(folder) === folder) return
  }
}
