/**
 * `tokenizer.json` of Hugging Face where it says the same as SentencePiece BPE: byte fallback, spaces marked, merges that follow
 * from the pieces alone. Source: the serialisation of huggingface/tokenizers.
 */
import { type BpeDefinition, PIECE_BYTE, PIECE_SPECIAL, PIECE_TEXT, type PieceKind } from '@nacre/protocol'
import { malformed } from '../files/safetensors.ts'
import { shown } from '../files/shown.ts'
import { asRecord } from './disk-file.ts'
import type { Findings } from './findings.ts'
import { byteOfPiece, definitionOf, fits, type ScoredPiece, SPACE_MARK } from './pieces.ts'
import { Splits } from './splits.ts'

const MAX_TOKENS = 1 << 20

/** Undefined with the reasons among the findings. Throws MODEL_MALFORMED. */
export function hfTokenizer(json: Record<string, unknown>, findings: Findings): BpeDefinition | undefined {
  const model = asRecord(json.model) ?? malformed('tokenizer.json has no model')
  const reasons: string[] = []
  if (model.type !== 'BPE') reasons.push(`the type ${shown(model.type)}`)
  if (model.byte_fallback !== true) reasons.push('no byte fallback')
  if (model.ignore_merges === true) reasons.push('words that ignore merges')
  if (model.dropout != null && model.dropout !== 0) reasons.push('merges left out at random')
  if (model.continuing_subword_prefix || model.end_of_word_suffix) reasons.push('marks inside words')
  const spacePrefix = prefixOf(json)
  if (spacePrefix === undefined) reasons.push('a normaliser or pre-tokeniser other than that of SentencePiece')
  if (reasons.length > 0) {
    findings.unsupported(`a tokenizer.json with ${reasons.join(', ')}`)
    return undefined
  }
  const added = addedTokens(json)
  const scores = mergeScores(model.merges, findings)
  const pieces = vocabulary(model, added).map(({ text, kind }): ScoredPiece => {
    const plain = text.replaceAll(SPACE_MARK, ' ')
    return { kind, text: plain, score: scores.get(text) ?? 0 }
  })
  if (!fits(pieces, findings)) return undefined
  const plainMerges = checkMerges(model.merges as unknown[], pieces)
  if (plainMerges !== undefined) {
    findings.unsupported(`a tokenizer.json ${plainMerges}`)
    return undefined
  }
  const literal = [...added.values()].filter(({ special }) => !special).length
  if (literal > 0) findings.note(`${literal} added tokens are special here: text never gives them`)
  return definitionOf(pieces, spacePrefix!, findings)
}

/** Whether a space goes in front; undefined if something else than SentencePiece's rule happens to the text. */
function prefixOf(json: Record<string, unknown>): boolean | undefined {
  const { normalizer, pre_tokenizer: before } = json
  if (normalizer != null) {
    const steps = asRecord(normalizer)?.type === 'Sequence' ? asRecord(normalizer)!.normalizers : [normalizer]
    if (!Array.isArray(steps) || before != null) return undefined
    const [last, prepend, ...rest] = [...steps].reverse().map(asRecord)
    const marks = last?.type === 'Replace' && asRecord(last.pattern)?.String === ' ' && last.content === SPACE_MARK
    if (!marks || rest.length > 0) return undefined
    if (prepend === undefined) return steps.length === 1 ? false : undefined
    return prepend.type === 'Prepend' && prepend.prepend === SPACE_MARK ? true : undefined
  }
  const metaspace = asRecord(before)
  if (metaspace?.type !== 'Metaspace' || metaspace.replacement !== SPACE_MARK || metaspace.split !== false)
    return undefined
  return PREPEND_SCHEMES.get(metaspace.prepend_scheme)
}

const PREPEND_SCHEMES: ReadonlyMap<unknown, boolean> = new Map([
  ['always', true],
  ['first', true],
  ['never', false],
])

interface AddedToken {
  readonly content: string
  readonly special: boolean
}

function addedTokens(json: Record<string, unknown>): Map<number, AddedToken> {
  const list = json.added_tokens ?? []
  if (!Array.isArray(list) || list.length > MAX_TOKENS) malformed('tokenizer.json: added_tokens is no list')
  return new Map(
    list.map((each: unknown) => {
      const { id, content, special } = asRecord(each) ?? {}
      if (!isId(id) || typeof content !== 'string') malformed('tokenizer.json: an added token is none')
      return [id, { content, special: special === true }]
    }),
  )
}

const isId = (id: unknown): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MAX_TOKENS

/** Pieces by token: the vocabulary, and what was added to it. */
function vocabulary(
  model: Record<string, unknown>,
  added: ReadonlyMap<number, AddedToken>,
): { text: string; kind: PieceKind }[] {
  const vocab = asRecord(model.vocab) ?? malformed('tokenizer.json has no vocabulary')
  const texts = new Map<number, string>()
  for (const [text, id] of Object.entries(vocab)) {
    if (!isId(id) || texts.has(id)) malformed(`tokenizer.json: "${shown(text)}" has the token ${shown(id)}`)
    texts.set(id, text)
  }
  for (const [id, { content }] of added) texts.set(id, content)
  return Array.from({ length: texts.size }, (_, id) => {
    const text = texts.get(id) ?? malformed(`tokenizer.json: no piece is token ${id}`)
    const isSpecial = added.has(id) || text === '' || text === model.unk_token
    return { text, kind: isSpecial ? PIECE_SPECIAL : byteOfPiece(text) === undefined ? PIECE_TEXT : PIECE_BYTE }
  })
}

function pairOf(merge: unknown): readonly [string, string] {
  const pair = typeof merge === 'string' ? merge.split(' ', 3) : merge
  if (!Array.isArray(pair) || pair.length !== 2 || pair.some((part) => typeof part !== 'string'))
    malformed('tokenizer.json: a merge is no pair')
  return pair as unknown as readonly [string, string]
}

/**
 * The score of each merged piece: earlier merges have higher ones. Where those of several pieces are mixed, the pieces had one
 * score when the merges were made from a SentencePiece model (Llama's runs of spaces have), so they get one again.
 */
function mergeScores(merges: unknown, findings: Findings): Map<string, number> {
  if (!Array.isArray(merges)) malformed('tokenizer.json has no merges')
  const merged = merges.map((merge) => pairOf(merge).join(''))
  const last = new Map(merged.map((text, i) => [text, i]))
  const scores = new Map<string, number>()
  let start = 0
  let end = -1
  let mixed = 0
  merged.forEach((text, i) => {
    if (i > end) start = i
    end = Math.max(end, last.get(text)!)
    if (scores.has(text)) return
    if (start < i) mixed++
    scores.set(text, -start)
  })
  if (mixed > 0)
    findings.note(`${mixed} more piece${mixed === 1 ? '' : 's'} of one rank, because their merges are mixed`)
  return scores
}

/**
 * Merges are pairs, and Nacre's rule knows pieces only: the two agree if every way to cut a piece into two others is a merge.
 * Returns what is otherwise, for people.
 */
function checkMerges(merges: readonly unknown[], pieces: readonly ScoredPiece[]): string | undefined {
  const pairs = new Set(
    merges.map((merge) =>
      pairOf(merge)
        .map((part) => part.replaceAll(SPACE_MARK, ' '))
        .join('\0'),
    ),
  )
  const texts = new Set(pieces.filter(({ kind }) => kind === PIECE_TEXT).map(({ text }) => text))
  const splits = new Splits(texts)
  for (const text of texts) {
    let missing = ''
    const isMissing = (left: string, right: string): boolean => {
      if (pairs.has(`${left}\0${right}`)) return false
      missing = `${left}" + "${right}`
      return true
    }
    if (splits.some(text, isMissing)) return `without the merge "${missing}"`
  }
  return undefined
}
