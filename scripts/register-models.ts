/**
 * Writes the ids of the models that presets register: run after replacing a model or its corpus.
 *   node --conditions=development scripts/register-models.ts [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadCorpus, loadModel } from '@nacre/engine'
import { bytesToHex, type Corpus, corpusRoot, type Model, unitCorpus, unitModel } from '@nacre/protocol'

const target = fileURLToPath(new URL('../packages/protocol/src/params/registered-models.ts', import.meta.url))
const folder = fileURLToPath(new URL('../models/nacre-small/', import.meta.url))

const entry = (name: string, model: Model, corpus: Corpus): string => `
export const ${name}: RegisteredModel = {
  modelId: '${bytesToHex(model.modelId)}',
  corpusRoot: '${bytesToHex(corpusRoot(corpus))}',
}
`

const small = await loadModel(`${folder}model.safetensors`)
const smallCorpus = await loadCorpus(`${folder}corpus.json`)
const text = `/** The models that presets register (B2): the hash of each manifest and the root of its bootstrap corpus, hex. */

export interface RegisteredModel {
  readonly modelId: string
  readonly corpusRoot: string
}
${entry('NACRE_SMALL', small, smallCorpus.prompts)}${entry('UNIT_MODEL', unitModel(), unitCorpus())}`

const isCurrent = readFileSync(target, 'utf8') === text
if (process.argv.includes('--check')) {
  if (!isCurrent) {
    process.stderr.write('registered-models.ts does not match models/: run scripts/register-models.ts\n')
    process.exit(1)
  }
} else if (!isCurrent) {
  writeFileSync(target, text)
  process.stdout.write('registered-models.ts rewritten\n')
}
