import { constants } from 'node:fs'
import { access, type FileHandle, open, stat } from 'node:fs/promises'
import { malformed } from './safetensors.ts'

/** A regular file, open for reading. */
export interface RegularFile {
  readonly handle: FileHandle
  /** Bytes, when it was opened. */
  readonly size: number
}

/**
 * Opens a regular file. Throws MODEL_MALFORMED for anything else, without waiting for the other end of a pipe or touching a
 * device, or the error of the disk.
 */
export async function openRegularFile(path: string): Promise<RegularFile> {
  if (!(await stat(path)).isFile()) malformed(`${path} is no regular file`)
  // What has become a pipe since does not wait either. Windows has neither the flag nor such pipes.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) malformed(`${path} is no regular file`)
    return { handle, size: stats.size }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Exactly `length` bytes from `position` on. Throws MODEL_MALFORMED if the file ends before, or the error of the disk. */
export async function readExactly(
  handle: FileHandle,
  path: string,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done)
    if (bytesRead === 0) malformed(`${path} was cut while it was read`)
    done += bytesRead
  }
  return bytes
}

/** Reads a regular file whose size was checked first. Throws MODEL_MALFORMED for either; errors of the disk pass through. */
export async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  const { handle, size } = await openRegularFile(path)
  try {
    if (size > maxBytes) malformed(`${path} has ${size} bytes, the limit is ${maxBytes}`)
    return await readExactly(handle, path, 0, size)
  } finally {
    await handle.close()
  }
}

/** Whether something is at a path that can be seen; a link that leads nowhere is nothing. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
