/** Small files that only their owner reads: written completely or not at all, read with a bound. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, mkdir, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CliError } from '../errors.ts'

const MODE = 0o600

export const fileError = (what: string, error: unknown): CliError =>
  new CliError(`${what}: ${error instanceof Error ? error.message : String(error)}`, 1, 'FILE')

/** What the file system does; tests put another one in its place. */
export interface FileSystem {
  readonly link: (from: string, to: string) => Promise<void>
}

/**
 * Writes a file where none is. Missing folders are made, closed to others. Returns false, and writes nothing, where something is there.
 * Throws CliError FILE.
 */
export async function writeNewFile(path: string, text: string, system: FileSystem = { link }): Promise<boolean> {
  try {
    return await withTemporary(path, text, async (temporary) => {
      try {
        // Unlike a rename, a link fails where a file is.
        await system.link(temporary, path)
        return true
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException
        if (code === 'EEXIST') return false
        if (!NO_LINKS.has(code)) throw error
        return await writeExclusive(path, text)
      }
    })
  } catch (error) {
    throw fileError(`cannot write ${path}`, error)
  }
}

/** What file systems without hard links answer: FAT, some network and user-space ones. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EMLINK'])

/** Not over another file; one that is not complete is taken away again. */
async function writeExclusive(path: string, text: string): Promise<boolean> {
  let handle: FileHandle
  try {
    handle = await open(path, 'wx', MODE)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
  try {
    await handle.writeFile(text)
    await handle.sync()
  } catch (error) {
    await unlink(path).catch(() => undefined)
    throw error
  } finally {
    await handle.close()
  }
  return true
}

/** Writes a file in the place of the one that may be there. Throws CliError FILE. */
export async function replaceFile(path: string, text: string): Promise<void> {
  try {
    await withTemporary(path, text, (temporary) => rename(temporary, path))
  } catch (error) {
    throw fileError(`cannot write ${path}`, error)
  }
}

/** Puts the text into a file beside `path`, which is gone afterwards unless `use` moves it. */
async function withTemporary<T>(path: string, text: string, use: (temporary: string) => Promise<T>): Promise<T> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const handle = await open(temporary, 'wx', MODE)
  try {
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return await use(temporary)
  } finally {
    await unlink(temporary).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
  }
}

/**
 * The text of a file and its mode; undefined where nothing is. `refuse` throws for anything but a file of at most `maxBytes`.
 * Throws CliError FILE.
 */
export async function readSmallFile(
  path: string,
  maxBytes: number,
  refuse: (why: string) => never,
): Promise<{ readonly text: string; readonly mode: number } | undefined> {
  try {
    // Without waiting for somebody to write, where it is a pipe.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) refuse('it is no file')
      if (stat.size > maxBytes) refuse(`it has ${stat.size} bytes, at most ${maxBytes} are right`)
      return { text: await handle.readFile('utf8'), mode: stat.mode & 0o777 }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof CliError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw fileError(`cannot read ${path}`, error)
  }
}
