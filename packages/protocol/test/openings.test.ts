// Openings (AUD-3, AUD-4): one that does not prove what it claims is a bad opening, never fraud of an honest miner (P5, P8).
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../src/errors.ts'
import { unitModel } from '../src/model/synthetic.ts'
import { checkStep, FRAUD_CODES } from '../src/trace/check-step.ts'
import { openStep } from '../src/trace/open.ts'
import { type StepOpening, type SubtreeOpening, stepOpeningCodec } from '../src/trace/opening.ts'
import type { StepKind, StepRef } from '../src/trace/types.ts'
import { allSteps, codeOf, execute, oddModel, stepsOf, task } from './trace-fixture.ts'

const model = unitModel()
const unit = execute(model, task())
const { trace, commitment } = unit
const open = (kind: StepKind, layer = 0, group = 0, position = 0): StepOpening =>
  openStep(trace, commitment, { kind, layer, group, position })
const verdict = (opening: StepOpening): string =>
  codeOf(() => checkStep({ model, task: unit.task, traceRoot: commitment.traceRoot, opening }))

/** Steps whose openings have all there is: prefixes, single leaves, prompt and rest, every sub-root. */
const SAMPLES: readonly StepOpening[] = [
  open('shape'),
  open('input'),
  open('embed', 0, 0, 8),
  open('kv', 1, 1, 3),
  open('attend', 1, 0, 6),
  open('attend', 0, 1, 10),
  open('proj', 1, 0, 9),
  open('ffn', 0, 0, 2),
  open('head', 0, 0, 6),
]

const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte))
const replaced = <T>(list: readonly T[], at: number, value: T): T[] => list.map((item, i) => (i === at ? value : item))
const withSubtree = (opening: StepOpening, at: number, change: Partial<SubtreeOpening>): StepOpening => ({
  ...opening,
  subtrees: replaced(opening.subtrees, at, { ...opening.subtrees[at]!, ...change }),
})
const withRef = (opening: StepOpening, change: Partial<StepRef>): StepOpening => ({
  ...opening,
  ref: { ...opening.ref, ...change },
})

test('samples pass as they are', () => {
  for (const opening of SAMPLES) expect(verdict(opening)).toBe('accepted')
})

describe('the reference', () => {
  test.each([
    ['another kind', withRef(open('kv', 0, 1, 4), { kind: 'attend' }), 'STEP_OPENING'],
    ['another kind that opens the same sub-trees', withRef(open('embed', 0, 0, 7), { kind: 'head' }), 'STEP_OPENING'],
    ['another layer', withRef(open('kv', 0, 1, 4), { layer: 1 }), 'STEP_OPENING'],
    ['another group', withRef(open('attend', 0, 1, 4), { group: 0 }), 'STEP_OPENING'],
    ['another position', withRef(open('ffn', 0, 0, 4), { position: 5 }), 'STEP_OPENING'],
    ['a position after the prompt', withRef(open('ffn', 0, 0, 0), { position: 7 }), 'STEP_OPENING'],
    ['a position outside the unit', withRef(open('ffn', 0, 0, 4), { position: 11 }), 'STEP_OUT_OF_RANGE'],
    ['a layer outside the model', withRef(open('ffn', 0, 0, 4), { layer: 2 }), 'STEP_OUT_OF_RANGE'],
    ['a field that the kind does not use', withRef(open('ffn', 0, 0, 4), { group: 1 }), 'STEP_OUT_OF_RANGE'],
    ['a head before the first generated token', withRef(open('head', 0, 0, 6), { position: 5 }), 'STEP_OUT_OF_RANGE'],
  ])('%s', (_, opening, code) => {
    expect(verdict(opening)).toBe(code)
  })
})

describe('each field of a sub-tree', () => {
  test('the sub-root', () => {
    for (const opening of SAMPLES)
      opening.subtrees.forEach(({ root }, i) => {
        expect(verdict(withSubtree(opening, i, { root: flip(root) }))).toBe('MERKLE_ROOT_MISMATCH')
      })
  })

  test('its index', () => {
    for (const opening of SAMPLES)
      opening.subtrees.forEach(({ index }, i) => {
        expect(verdict(withSubtree(opening, i, { index: index + 1 }))).toMatch(/^MERKLE_/)
        expect(verdict(withSubtree(opening, i, { index: 20 }))).toMatch(/^MERKLE_/)
      })
  })

  test('the leaf count, even where the shape of the path stays the same', () => {
    for (const opening of SAMPLES)
      opening.subtrees.forEach(({ leafCount }, i) => {
        for (const wrong of [leafCount + 1, leafCount - 1, 0, 2 ** 31, 2 ** 31 + 1])
          expect(verdict(withSubtree(opening, i, { leafCount: wrong })), `${leafCount} -> ${wrong}`).toMatch(/^MERKLE_/)
      })
  })

  test('any leaf', () => {
    for (const opening of SAMPLES)
      opening.subtrees.forEach(({ leaves }, i) => {
        leaves.forEach((leaf, j) => {
          for (const other of [flip(leaf), leaf.slice(1), new Uint8Array(0)])
            expect(verdict(withSubtree(opening, i, { leaves: replaced(leaves, j, other) }))).toBe(
              'MERKLE_ROOT_MISMATCH',
            )
        })
      })
  })

  test('any hash of its proof, one too many, one too few', () => {
    for (const opening of SAMPLES)
      opening.subtrees.forEach(({ proof }, i) => {
        proof.forEach((hash, j) => {
          expect(verdict(withSubtree(opening, i, { proof: replaced(proof, j, flip(hash)) }))).toBe(
            'MERKLE_ROOT_MISMATCH',
          )
        })
        const longer = [...proof, new Uint8Array(32)]
        expect(verdict(withSubtree(opening, i, { proof: longer }))).toBe('MERKLE_PROOF_LENGTH')
        if (proof.length > 0)
          expect(verdict(withSubtree(opening, i, { proof: proof.slice(1) }))).toBe('MERKLE_PROOF_LENGTH')
      })
  })

  test('its indices: shifted, doubled, unordered, without a leaf, with one too many', () => {
    const attend = open('attend', 1, 0, 6)
    const kv = attend.subtrees[2]!
    const change = (indices: number[], leaves: readonly Uint8Array[] = kv.leaves): string =>
      verdict(withSubtree(attend, 2, { indices, leaves }))
    expect(change([1, 2, 3, 4, 5, 6, 7])).toMatch(/^MERKLE_(ROOT|PROOF)/)
    expect(change([0, 1, 2, 3, 4, 5, 5])).toBe('MERKLE_INDICES_NOT_INCREASING')
    expect(change([1, 0, 2, 3, 4, 5, 6])).toBe('MERKLE_INDICES_NOT_INCREASING')
    expect(change([0, 1, 2, 3, 4, 5, 11])).toBe('MERKLE_INDEX_OUT_OF_RANGE')
    expect(change([0, 1, 2, 3, 4, 5])).toBe('STEP_OPENING')
    expect(change([...kv.indices], [...kv.leaves, kv.leaves[0]!])).toBe('STEP_OPENING')
    expect(change([], [])).toBe('MERKLE_PROOF_LENGTH')
  })

  test('a count alone where leaves are needed', () => {
    const tree = commitment.tree(SAMPLES[3]!.subtrees[1]!.index)
    const bare = withSubtree(SAMPLES[3]!, 1, { indices: [], leaves: [], proof: tree.levels.at(-1)! })
    expect(verdict(bare)).toBe('STEP_OPENING')
  })

  test('leaves where only the count is needed', () => {
    const kvRow = open('kv', 0, 0, 0).subtrees.at(-1)!
    const shape = open('shape')
    const at = shape.subtrees.findIndex(({ index }) => index === kvRow.index)
    expect(verdict(withSubtree(shape, at, kvRow))).toBe('STEP_OPENING')
  })
})

describe('the sub-trees together', () => {
  const attend = open('attend', 1, 0, 6)
  test('one missing, repeated, out of order, none', () => {
    attend.subtrees.forEach((subtree, i) => {
      expect(verdict({ ...attend, subtrees: attend.subtrees.filter((_, j) => j !== i) })).toMatch(/^MERKLE_/)
      const repeated = attend.subtrees.toSpliced(i, 0, subtree)
      expect(verdict({ ...attend, subtrees: repeated })).toBe('MERKLE_INDICES_NOT_INCREASING')
    })
    expect(verdict({ ...attend, subtrees: attend.subtrees.toReversed() })).toBe('MERKLE_INDICES_NOT_INCREASING')
    expect(verdict({ ...attend, subtrees: [] })).toBe('STEP_OPENING')
  })

  test('a true opening without the dimensions', () => {
    const indices = [1]
    const subtrees = open('input').subtrees.slice(1)
    const topProof = openStepTop(indices)
    expect(verdict({ ref: open('input').ref, subtrees, topProof })).toBe('STEP_OPENING')
  })

  test('a true opening of more than the step needs', () => {
    const embed = open('embed', 0, 0, 3)
    const more = open('kv', 0, 0, 3).subtrees.at(-1)!
    const subtrees = [...embed.subtrees, more]
    const topProof = openStepTop(subtrees.map(({ index }) => index))
    expect(verdict({ ref: embed.ref, subtrees, topProof })).toBe('STEP_OPENING')
  })

  test('the top proof: any hash, one too many, one too few', () => {
    for (const opening of SAMPLES) {
      const { topProof } = opening
      topProof.forEach((hash, j) => {
        expect(verdict({ ...opening, topProof: replaced(topProof, j, flip(hash)) })).toBe('MERKLE_ROOT_MISMATCH')
      })
      expect(verdict({ ...opening, topProof: [...topProof, new Uint8Array(32)] })).toBe('MERKLE_PROOF_LENGTH')
      if (topProof.length > 0) expect(verdict({ ...opening, topProof: topProof.slice(1) })).toBe('MERKLE_PROOF_LENGTH')
    }
  })
})

function openStepTop(indices: readonly number[]): Uint8Array[] {
  const proof: Uint8Array[] = []
  const { levels } = commitment.top
  let known = [...indices]
  for (const level of levels.slice(0, -1)) {
    for (const i of known) if (!known.includes(i ^ 1) && (i ^ 1) < level.length) proof.push(level[i ^ 1]!)
    known = [...new Set(known.map((i) => i >>> 1))]
  }
  return proof
}

describe('splices', () => {
  test('an opening of another unit does not fit this root', () => {
    const other = execute(model, task({ promptTokens: [1, 2, 3, 4, 5, 6, 7] }))
    for (const ref of allSteps(trace.shape).filter((_, i) => i % 7 === 0)) {
      const opening = openStep(other.trace, other.commitment, ref)
      expect(verdict(opening)).toBe('MERKLE_ROOT_MISMATCH')
      // Nor do single sub-trees of it under this unit's top tree.
      const own = openStep(trace, commitment, ref)
      own.subtrees.forEach((subtree, i) => {
        const foreign = opening.subtrees[i]!
        if (Buffer.compare(foreign.root, subtree.root) !== 0)
          expect(verdict(withSubtree(own, i, foreign))).toBe('MERKLE_ROOT_MISMATCH')
      })
    }
  })

  test('rows of another position, layer or group do not fit this one', () => {
    const ffn = open('ffn', 0, 0, 4)
    for (const other of [open('ffn', 0, 0, 5), open('ffn', 1, 0, 4), open('ffn', 0, 0, 8)])
      other.subtrees.forEach((subtree, i) => {
        if (i > 0) expect(verdict(withSubtree(ffn, i, subtree))).toMatch(/^(MERKLE_|STEP_OPENING)/)
      })
    const kv = open('kv', 0, 0, 4)
    expect(verdict(withSubtree(kv, 2, open('kv', 0, 1, 4).subtrees[2]!))).toBe('MERKLE_ROOT_MISMATCH')
  })

  test('an opening for another model shape does not fit', () => {
    const odd = execute(oddModel(), task({ promptTokens: [1, 2, 3] }))
    for (const kind of ['shape', 'kv', 'head'] as const)
      expect(verdict(openStep(odd.trace, odd.commitment, stepsOf(odd.trace.shape, kind)[0]!))).toMatch(/^MERKLE_/)
  })
})

describe('bytes (CNV-1, P8)', () => {
  test('survive the codec', () => {
    for (const opening of SAMPLES) {
      const bytes = stepOpeningCodec.encode(opening)
      expect(stepOpeningCodec.encode(stepOpeningCodec.decode(bytes))).toEqual(bytes)
    }
  })

  test('garbage is a typed rejection', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        expect(codeOf(() => stepOpeningCodec.decode(bytes))).toMatch(/^CODEC_/)
      }),
      { numRuns: 500 },
    )
    expect(codeOf(() => stepOpeningCodec.decode(new Uint8Array(256 * 1024 + 1)))).toBe('CODEC_TOO_LARGE')
    expect(codeOf(() => stepOpeningCodec.decode(new Uint8Array(256 * 1024)))).toBe('CODEC_TRAILING_BYTES')
    expect(codeOf(() => stepOpeningCodec.decode(new Uint8Array(256 * 1024).fill(255)))).toBe('CODEC_MALFORMED')
    expect(codeOf(() => stepOpeningCodec.decode(Uint8Array.of(8, ...new Uint8Array(20))))).toBe('CODEC_MALFORMED')
  })

  test('no change, cut or addition turns an honest unit into fraud', () => {
    const encoded = SAMPLES.map((opening) => stepOpeningCodec.encode(opening))
    const run = (bytes: Uint8Array): unknown =>
      checkStep({ model, task: unit.task, traceRoot: commitment.traceRoot, opening: stepOpeningCodec.decode(bytes) })
    fc.assert(
      fc.property(
        fc.nat(encoded.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: -40, max: 40 }),
        (which, changes, grow) => {
          const original = encoded[which]!
          const bytes = new Uint8Array(Math.max(0, original.length + grow))
          bytes.set(original.subarray(0, bytes.length))
          for (const [at, change] of changes) if (bytes.length > 0) bytes[at % bytes.length]! ^= change
          if (Buffer.compare(bytes, original) === 0) return
          let code = 'accepted'
          try {
            run(bytes)
          } catch (cause) {
            if (!(cause instanceof ProtocolError)) throw cause
            code = cause.code
          }
          expect(code).not.toBe('accepted')
          expect(FRAUD_CODES.has(code as never), code).toBe(false)
        },
      ),
      { numRuns: 1500 },
    )
  })

  test('a task that the model cannot execute is not fraud either', () => {
    const bad = (changes: Parameters<typeof task>[0]): string =>
      codeOf(() =>
        checkStep({ model, task: task(changes), traceRoot: commitment.traceRoot, opening: open('kv', 0, 0, 1) }),
      )
    expect(bad({ promptTokens: [] })).toBe('UNIT_PROMPT')
    expect(bad({ maxNewTokens: 0 })).toBe('UNIT_SHAPE')
  })
})
