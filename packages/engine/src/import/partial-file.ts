import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rmdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { exists } from '../files/regular-file.ts'

/**
 * A file that appears under its name whole or not at all: written beside it, then renamed. A process that is killed leaves
 * `NAME.<random>.partial` behind, which anyone may delete and nothing trips over: a process id would come again in a container.
 */
export class PartialFile {
  readonly #path: string
  readonly #partial: string
  readonly #handle: FileHandle
  /** Folders that had to be made, the outermost first. */
  readonly #made: readonly string[]

  private constructor(path: string, partial: string, handle: FileHandle, made: readonly string[]) {
    this.#path = path
    this.#partial = partial
    this.#handle = handle
    this.#made = made
  }

  /** Begins a file, with its folder if need be. Throws the error of the disk. */
  static async begin(path: string): Promise<PartialFile> {
    const made = await makeFolders(dirname(path))
    const partial = `${path}.${randomBytes(8).toString('hex')}.partial`
    try {
      return new PartialFile(path, partial, await open(partial, 'wx'), made)
    } catch (error) {
      await removeFolders(made)
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
    await removeFolders(this.#made)
  }
}

/**
 * Makes a folder and those around it; returns the ones that were not there. Not by `recursive`, which tries for ever where a
 * folder exists and takes no other, as in /proc. Throws the error of the disk.
 */
async function makeFolders(folder: string): Promise<readonly string[]> {
  if (await exists(folder)) return []
  const made = await makeFolders(dirname(folder))
  try {
    await mkdir(folder)
  } catch (error) {
    await removeFolders(made)
    throw error
  }
  return [...made, folder]
}

/** Removes folders that are still empty, the innermost first. */
async function removeFolders(made: readonly string[]): Promise<void> {
  for (const folder of made.toReversed()) await rmdir(folder).catch(() => undefined)
}
