import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ProtocolError } from '@nacre/protocol'
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
