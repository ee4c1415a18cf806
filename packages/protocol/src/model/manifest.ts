import * as P from 'micro-packed'
import { boundedList, bytes32, type Codec, defineCodec } from '../codec.ts'
import { check } from '../errors.ts'
import { taggedHash } from '../hash.ts'
import { MAX_MODEL_LAYERS, MAX_NAME_BYTES } from '../limits.ts'
import { checkModelConfig, modelConfigCoder } from './config.ts'
import { tensorShapes } from './tensors.ts'
import type { ModelManifest } from './types.ts'

const MAX_TENSORS = 2 + 10 * MAX_MODEL_LAYERS + 1 + 2 + 2

const coder = P.struct({
  config: modelConfigCoder,
  tensorRoots: boundedList(MAX_TENSORS, bytes32),
}) as unknown as P.CoderType<ModelManifest>

const bytes: Codec<ModelManifest> = defineCodec(
  'model manifest',
  coder,
  // name, 11 u32 fields, normEps, tiedHead, tokenizerHash; roots
  4 + MAX_NAME_BYTES + 11 * 4 + 1 + 32 + 4 + 32 * MAX_TENSORS,
)

function checkManifest(manifest: ModelManifest): void {
  checkModelConfig(manifest.config)
  const tensors = tensorShapes(manifest.config).length
  check(
    manifest.tensorRoots.length === tensors,
    'MODEL_MALFORMED',
    `${manifest.tensorRoots.length} tensor roots for ${tensors} tensors`,
  )
}

/** Canonical bytes of a manifest (MOD-1). Throws MODEL_MALFORMED or CODEC_*. */
export function encodeManifest(manifest: ModelManifest): Uint8Array {
  checkManifest(manifest)
  return bytes.encode(manifest)
}

/** Inverse of {@link encodeManifest}. Throws CODEC_* or MODEL_MALFORMED and nothing else. */
export function decodeManifest(encoded: Uint8Array): ModelManifest {
  const manifest = bytes.decode(encoded)
  checkManifest(manifest)
  return manifest
}

/** `modelId`: the hash of the encoded manifest (MOD-1). */
export function modelIdOf(manifest: ModelManifest): Uint8Array {
  return taggedHash('modelId', encodeManifest(manifest))
}
