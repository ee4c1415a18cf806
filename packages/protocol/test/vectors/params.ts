import { bytesToHex } from '../../src/bytes.ts'
import { ProtocolError } from '../../src/errors.ts'
import { overrideParams, paramLines, paramsHash } from '../../src/params/lines.ts'
import { type PresetName, presets } from '../../src/params/presets.ts'
import type { Params } from '../../src/params/types.ts'

/** A preset with fixed model ids, so that vectors do not change with the registered weights. */
export function withFixedModels(params: Params): Params {
  const models = params.models.map((model) => ({ ...model, modelId: '11'.repeat(32), corpusRoot: '22'.repeat(32) }))
  return { ...params, models }
}

const OVERRIDES: [preset: PresetName, lines: string[]][] = [
  ['nacre', []],
  ['nacre', ['network.launchDelayMs=0', 'fees.minTransactionGrains=2000']],
  ['devnet', ['block.timeMs=10000', 'difficulty.halfLifeMs=160000']],
  ['devnet', ['emission.premineGrains=1', `emission.teamAccount=${'ab'.repeat(20)}`]],
  ['unit', ['models.0.noiseRank=16']],
  ['unit', ['block.time=1']],
  ['unit', ['block.timeMs=fast']],
  ['unit', ['block.timeMs']],
  ['unit', ['block.timeMs=9']],
  ['unit', ['block.maxFutureMs=5001']],
  ['unit', ['models.0.noiseRank=12']],
  ['unit', ['models.1.name=second']],
  ['nacre', ['emission.faucetGrains=1', `emission.faucetAccount=${'ab'.repeat(20)}`]],
  ['nacre', ['bindings.singleUse=off']],
  ['nacre', ['block.winnerCheck=none']],
  ['nacre', ['block.winnerCheck=none', 'bindings.checked=off']],
  ['unit', ['bindings.provenance=client-signed']],
]

function outcome(params: Params, lines: readonly string[]): { hash: string } | { error: string } {
  try {
    return { hash: bytesToHex(paramsHash(overrideParams(params, lines))) }
  } catch (cause) {
    if (cause instanceof ProtocolError) return { error: cause.code }
    throw cause
  }
}

/** Section 4 by example: lines and hash of every preset, and what overrides lead to. */
export function paramsVectors(): unknown {
  return {
    description:
      'Sorted path=value lines joined by a line feed are hashed; modelId and corpusRoot are replaced by 32 bytes of 0x11 and 0x22.',
    presets: Object.entries(presets).map(([name, preset]) => {
      const params = withFixedModels(preset)
      return { name, lines: paramLines(params), hash: bytesToHex(paramsHash(params)) }
    }),
    overrides: OVERRIDES.map(([preset, lines]) => ({
      preset,
      overrides: lines,
      ...outcome(withFixedModels(presets[preset]), lines),
    })),
  }
}
