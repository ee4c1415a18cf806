/** The llama2.c checkpoint as a model of Nacre: int8 instead of binary32, otherwise the same. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importModel, loadModel, openSourceModel } from '@nacre/engine'
import type { KeyedHash, Model } from '@nacre/protocol'
import { CHECKPOINT_VARIABLE, findCheckpoint } from '../checkpoint.ts'
import { Unsupported } from '../jobs.ts'

export async function checkpointModel(hash: KeyedHash): Promise<Model> {
  const checkpoint = findCheckpoint()
  if (checkpoint === undefined) throw new Unsupported(`no checkpoint (${CHECKPOINT_VARIABLE})`)
  const { model, tokenizer } = checkpoint
  const folder = await mkdtemp(join(tmpdir(), 'nacre-bench-'))
  try {
    const out = join(folder, 'model.safetensors')
    const source = await openSourceModel(model, { tokenizer })
    try {
      await importModel(source, { name: 'checkpoint', out, hash })
    } finally {
      await source.close()
    }
    return await loadModel(out, hash)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
