import { type BpeDefinition, PIECE_BYTE, PIECE_SPECIAL } from '@nacre/protocol'
import { malformed } from '../files/safetensors.ts'
import { shown } from '../files/shown.ts'
import type { Findings } from './findings.ts'
import type { GgufValue } from './gguf.ts'
import { definitionOf, type ScoredPiece, SENTENCEPIECE_KINDS, SPACE_MARK } from './pieces.ts'

const USER_DEFINED = 4

/**
 * The tokenizer in GGUF metadata: the SentencePiece kind, which llama.cpp calls `llama`. Undefined with the reason among the
 * findings. Throws MODEL_MALFORMED.
 */
export function ggufTokenizer(
  metadata: ReadonlyMap<string, GgufValue>,
  findings: Findings,
): { definition: BpeDefinition | undefined } {
  const read = (name: string): GgufValue | undefined => metadata.get(`tokenizer.ggml.${name}`)
  const kind = read('model')
  if (kind === undefined) {
    findings.unsupported('no tokenizer in the file: one of llama2.c can be given')
    return { definition: undefined }
  }
  if (kind !== 'llama') {
    findings.unsupported(`the tokenizer ${shown(kind)}, only llama (SentencePiece BPE) is read`)
    return { definition: undefined }
  }
  if (read('remove_extra_whitespaces') === true) findings.unsupported('a tokenizer that removes white space')
  if (read('precompiled_charsmap') !== undefined) findings.unsupported('a tokenizer that normalises characters')
  const tokens = list(read('tokens'), 'tokens', 'string') as string[]
  const scores = list(read('scores'), 'scores', 'number', tokens.length) as number[]
  const types = list(read('token_type'), 'token_type', 'number', tokens.length) as number[]
  const userDefined = types.filter((type) => type === USER_DEFINED).length
  if (userDefined > 0) findings.note(`${userDefined} user-defined tokens are special here: text never gives them`)
  const pieces = tokens.map((token, i): ScoredPiece => {
    const kind = SENTENCEPIECE_KINDS[types[i]!] ?? malformed(`token ${i} has the type ${types[i]}`)
    const text = token.replaceAll(SPACE_MARK, ' ')
    return { kind: text === '' && kind !== PIECE_BYTE ? PIECE_SPECIAL : kind, text, score: scores[i]! }
  })
  return { definition: definitionOf(pieces, read('add_space_prefix') !== false, findings) }
}

function list(value: GgufValue | undefined, name: string, type: 'string' | 'number', length?: number): unknown[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== type))
    malformed(`tokenizer.ggml.${name} is no list of ${type}s`)
  if (length !== undefined && value.length !== length)
    malformed(`tokenizer.ggml.${name} has ${value.length} items for ${length} tokens`)
  return value
}
