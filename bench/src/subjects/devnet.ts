/** The units of the devnet: its model, its lottery, its prompt and answer lengths. */
import { fileURLToPath } from 'node:url'
import { type DrawKeys, loadModel } from '@nacre/engine'
import { type KeyedHash, type Model, type ModelParams, presets, type UnitTask } from '@nacre/protocol'

const MODELS = new URL('../../../models/', import.meta.url)

export const devnetModelParams: ModelParams = presets.devnet.models[0]!
const { bootstrapPromptTokens, bootstrapNewTokens } = presets.devnet.units

export const PROMPT_TOKENS: number = bootstrapPromptTokens
export const NEW_TOKENS: number = bootstrapNewTokens

export async function devnetModel(hash: KeyedHash): Promise<Model> {
  const path = fileURLToPath(new URL(`${devnetModelParams.name}/model.safetensors`, MODELS))
  return await loadModel(path, hash)
}

/** Prompts that differ from unit to unit. */
export function task(i: number, promptTokens: number = PROMPT_TOKENS, newTokens: number = NEW_TOKENS): UnitTask {
  return {
    promptTokens: Array.from({ length: promptTokens }, (_, j) => (j * 37 + i * 11) % 256),
    maxNewTokens: newTokens,
    decoding: { temperatureMilli: 0, seed: bytes32(0), stopAtEos: false },
  }
}

export function drawKeys(i: number, parent: number): DrawKeys {
  return { parentBeacon: bytes32(parent), unitId: bytes32(i), minerKey: bytes32(1) }
}

/** The low bytes of `n`, the rest zero. */
export function bytes32(n: number): Uint8Array {
  const out = new Uint8Array(32)
  new DataView(out.buffer).setUint32(0, n, true)
  return out
}
