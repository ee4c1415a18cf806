import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const CHECKPOINT_VARIABLE = 'NACRE_CHECKPOINT'
const BESIDE_THE_PROJECT = fileURLToPath(new URL('../../../shared/data/stories260k', import.meta.url))

export interface Checkpoint {
  readonly model: string
  readonly tokenizer: string
}

/** The llama2.c checkpoint to compare on: a folder with one `tok*.bin` and one other `.bin`; undefined if there is none. */
export function findCheckpoint(): Checkpoint | undefined {
  const folder = process.env[CHECKPOINT_VARIABLE] ?? BESIDE_THE_PROJECT
  if (!existsSync(folder)) return undefined
  const files = readdirSync(folder).filter((name) => name.endsWith('.bin'))
  const tokenizer = files.find((name) => name.startsWith('tok'))
  const model = files.find((name) => !name.startsWith('tok'))
  if (model === undefined || tokenizer === undefined) return undefined
  return { model: join(folder, model), tokenizer: join(folder, tokenizer) }
}
