/** Builds `vectors/units.json`: unit ids, bootstrap prompts, tokenizer (UNT-1 to UNT-3, MOD-7). */
import { bytesToHex, hexToBytes } from '../../src/bytes.ts'
import { ProtocolError } from '../../src/errors.ts'
import { BYTE_TOKENIZER_DEFINITION, BYTE_TOKENIZER_HASH } from '../../src/model/byte-tokenizer.ts'
import { presets } from '../../src/params/presets.ts'
import { bootstrapTask, type Corpus, corpusRoot } from '../../src/unit/bootstrap.ts'
import { unitCorpus } from '../../src/unit/synthetic-corpus.ts'
import type { Lane } from '../../src/unit/types.ts'
import { unitId } from '../../src/unit/unit-id.ts'

const repeat = (byte: string): string => byte.repeat(32)
const ZERO = repeat('00')

const UNITS = [
  { lane: 0, modelId: repeat('0d'), parentId: repeat('b1'), jobId: ZERO, counter: 0, minerKey: repeat('3e') },
  { lane: 0, modelId: repeat('0d'), parentId: repeat('b1'), jobId: ZERO, counter: 1, minerKey: repeat('3e') },
  { lane: 0, modelId: repeat('0d'), parentId: repeat('b1'), jobId: ZERO, counter: 4294967295, minerKey: repeat('3e') },
  { lane: 0, modelId: repeat('b1'), parentId: repeat('0d'), jobId: ZERO, counter: 0, minerKey: repeat('3e') },
  { lane: 1, modelId: repeat('0d'), parentId: repeat('b1'), jobId: repeat('70'), counter: 0, minerKey: repeat('3e') },
  { lane: 0, modelId: repeat('0d'), parentId: repeat('b1'), jobId: repeat('70'), counter: 0, minerKey: repeat('3e') },
  { lane: 1, modelId: repeat('0d'), parentId: repeat('b1'), jobId: ZERO, counter: 0, minerKey: repeat('3e') },
  { lane: 1, modelId: repeat('0d'), parentId: repeat('b1'), jobId: repeat('70'), counter: 1, minerKey: repeat('3e') },
  { lane: 2, modelId: repeat('0d'), parentId: repeat('b1'), jobId: ZERO, counter: 0, minerKey: repeat('3e') },
]

type UnitVector = (typeof UNITS)[number]

/** The id as hex, or the code of the rejection. */
export function unitIdOrCode(unit: UnitVector): string {
  try {
    const { modelId, parentId, jobId, minerKey, lane, counter } = unit
    const descriptor = {
      lane: lane as Lane,
      modelId: hexToBytes(modelId),
      parentId: hexToBytes(parentId),
      jobId: hexToBytes(jobId),
      counter,
    }
    return bytesToHex(unitId(descriptor, hexToBytes(minerKey)))
  } catch (cause) {
    if (cause instanceof ProtocolError) return cause.code
    throw cause
  }
}

const SMALL_CORPUS: Corpus = [[1, 2, 3], [256], [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]]

export function buildUnitVectors(): unknown {
  return {
    about: 'Units (UNT-1 to UNT-3). Hex is bytes in order.',
    unitId: UNITS.map((unit) => ({
      ...unit,
      expected: unitIdOrCode(unit).startsWith('UNIT_') ? 'reject' : 'valid',
      result: unitIdOrCode(unit),
    })),
    corpusRoot: [
      { prompts: [], root: bytesToHex(corpusRoot([])) },
      { prompts: SMALL_CORPUS, root: bytesToHex(corpusRoot(SMALL_CORPUS)) },
    ],
    unitCorpusRoot: bytesToHex(corpusRoot(unitCorpus())),
    bootstrapTask: ['00', '01', '02', '03', 'ff'].map((byte) => ({
      unitId: repeat(byte),
      promptTokens: presets.unit.units.bootstrapPromptTokens,
      newTokens: presets.unit.units.bootstrapNewTokens,
      corpus: SMALL_CORPUS,
      prompt: bootstrapTask(presets.unit, hexToBytes(repeat(byte)), SMALL_CORPUS).promptTokens,
    })),
    byteTokenizer: { definition: BYTE_TOKENIZER_DEFINITION, hash: bytesToHex(BYTE_TOKENIZER_HASH) },
  }
}
