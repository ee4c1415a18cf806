import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ProtocolError } from '@nacre/protocol'
import { expect } from 'vitest'
import { importModel } from '../../src/import/import-model.ts'
import { openSourceModel } from '../../src/import/open-source.ts'
import type { SourceOptions } from '../../src/import/source.ts'

/** A folder for one test's files. */
export class Folder {
  readonly path: string = mkdtempSync(join(tmpdir(), 'nacre-import-'))

  at(name: string): string {
    return join(this.path, name)
  }

  write(name: string, content: Uint8Array | object): string {
    const path = this.at(name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content instanceof Uint8Array ? content : JSON.stringify(content))
    return path
  }

  /** All names, those in folders too. */
  names(): string[] {
    return readdirSync(this.path, { recursive: true, encoding: 'utf8' }).sort()
  }

  remove(): void {
    rmSync(this.path, { recursive: true })
  }
}

/** What an import that must fail says: code and message. Fails if it succeeds or leaves anything behind. */
export async function failure(folder: Folder, path: string, options: SourceOptions = {}): Promise<ProtocolError> {
  const before = folder.names()
  let error: unknown
  try {
    const source = await openSourceModel(path, options)
    try {
      await importModel(source, { name: 'x', out: folder.at('out/deep/model.safetensors') })
    } finally {
      await source.close()
    }
  } catch (cause) {
    error = cause
  }
  if (!(error instanceof ProtocolError)) throw error ?? new Error(`${path} was imported`)
  const left = folder.names().filter((name) => !before.includes(name))
  if (left.length > 0) throw new Error(`it left ${left.join(', ')}`)
  return error
}

/** An import that must fail as malformed, in one line that gives the reason. */
export async function expectMalformed(folder: Folder, path: string, reason: string | RegExp): Promise<void> {
  const { code, message } = await failure(folder, path)
  expect(code).toBe('MODEL_MALFORMED')
  expect(message).toMatch(reason)
  expect(message).not.toContain('\n')
}

/** A file cut before, at and behind the end of every part and in its middle, and files that go on. */
export function spoiledLengths(parts: readonly Buffer[]): Buffer[] {
  const whole = Buffer.concat(parts)
  const lengths = new Set<number>()
  let end = 0
  for (const part of parts) {
    end += part.length
    for (const length of [end - 1, end, end + 1, end - (part.length >> 1)]) lengths.add(length)
  }
  const cut = [0, 1, ...lengths].filter((length) => length >= 0 && length < whole.length)
  const longer = [1, 64, 4096].map((bytes) => Buffer.concat([whole, Buffer.alloc(bytes)]))
  return [...cut.map((length) => whole.subarray(0, length)), ...longer]
}
