/** Blocks whose parts are not those that their header, or their miner, committed to. */
import {
  applyBlockBody,
  type Block,
  type BlockHeader,
  checkBody,
  checkEquivocationEvidence,
  checkHeaderForm,
  checkTransition,
  emptyLtHash,
  headerCodec,
  type LtHash,
  ltHashAdd,
  signHeader,
  utf8ToBytes,
} from '@nacre/protocol'
import { MemoryState, testKeys } from '../../../../packages/protocol/test/chain-fixture.ts'
import type { Outcome, StoppedAttack } from '../../attack.ts'
import { firstBlock } from '../../fixtures/first-block.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'

type First = Awaited<ReturnType<typeof firstBlock>>
const VALIDATE_HEADER = protocolFile('block/validate-header.ts')
const EQUIVOCATION = protocolFile('block/equivocation.ts')
const flipped = (bytes: Uint8Array): Uint8Array => bytes.with(0, bytes[0]! ^ 1)

/** The honest block is valid; what is made of it meets its code. */
async function blockInstead(make: (one: First) => Block): Promise<Outcome> {
  const one = await firstBlock()
  return outcomeOf(
    () => one.validate(one.block),
    () => one.validate(make(one)),
  )
}
/** The honest header has the form of one; what is made of it meets its code. */
async function headerInstead(make: (one: First) => BlockHeader): Promise<Outcome> {
  const one = await firstBlock()
  return outcomeOf(
    () => checkHeaderForm(one.context, one.block.header),
    () => checkHeaderForm(one.context, make(one)),
  )
}
/** Two headers that contradict each other are evidence; the other pair is none. */
async function evidenceInstead(make: (one: First) => readonly [BlockHeader, BlockHeader]): Promise<Outcome> {
  const one = await firstBlock()
  const judge = ([a, b]: readonly [BlockHeader, BlockHeader]): unknown =>
    checkEquivocationEvidence(one.context, headerCodec.encode(a), headerCodec.encode(b))
  const again = one.signedHeader({ timeMs: one.block.header.timeMs + 1 })
  return outcomeOf(
    () => judge([one.block.header, again]),
    () => judge(make(one)),
  )
}

/** Entries with the last byte of one key moved to the front of its value. */
function shiftBoundary(entries: ReadonlyMap<string, Uint8Array>, key: string): Map<string, Uint8Array> {
  const out = new Map(entries)
  const value = out.get(key)!
  out.delete(key)
  out.set(key.slice(0, -1), Uint8Array.of(key.charCodeAt(key.length - 1), ...value))
  return out
}
function ltHashOf(entries: ReadonlyMap<string, Uint8Array>): LtHash {
  let hash = emptyLtHash()
  for (const [key, value] of entries) hash = ltHashAdd(hash, utf8ToBytes(key), value)
  return hash
}

export const headers: readonly StoppedAttack[] = [
  onProtocol({
    id: 'commitment/other-body',
    actor: 'peer',
    targets: 'P7',
    story: 'Whoever forwards a block puts another transaction into its body; the header stays the miner’s.',
    rule: 'BLK-1',
    code: 'BLOCK_BODY_ROOT',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: 'equalBytes(bodyRoot(body), header.bodyRoot)',
      to: 'true',
    },
    run: async () => {
      const one = await firstBlock()
      const body = { ...one.block.body, transactions: [new Uint8Array(200)] }
      return outcomeOf(
        () => checkBody(one.context, one.block),
        () => checkBody(one.context, { ...one.block, body }),
      )
    },
  }),
  onProtocol({
    id: 'commitment/other-proof',
    actor: 'peer',
    targets: 'P7',
    story:
      'Whoever forwards a block replaces its ticket proof by one that does not hold, so that an honest block is called invalid.',
    rule: 'WRK-7',
    code: 'TICKET_PROOF_HASH',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: 'equalBytes(blockProofHash(proof), header.ticketProofHash)',
      to: 'true',
    },
    run: () =>
      blockInstead(({ block }) => ({ ...block, proof: { ...block.proof, preRoot: flipped(block.proof.preRoot) } })),
  }),
  onProtocol({
    id: 'commitment/other-state',
    actor: 'miner',
    targets: 'P3',
    story: 'The header of a won block commits to a state of the miner’s making, in which it is richer.',
    rule: 'BLK-7',
    code: 'BLOCK_STATE_ROOT',
    check: {
      file: protocolFile('block/validate-transition.ts'),
      from: 'equalBytes(applied.stateRoot, block.header.stateRoot)',
      to: 'true',
    },
    run: () =>
      blockInstead((one) => {
        const rich = applyBlockBody(one.context, { ...one.block.header, height: 5 }, [], one.state, one.state.ltHash)
        return one.withHeader({ stateRoot: rich.stateRoot })
      }),
  }),
  onProtocol({
    id: 'commitment/key-and-value-collide',
    actor: 'peer',
    targets: 'P7',
    story:
      'A node that joins is given a state in which the last byte of a key stands in its value: the bytes of all entries are the same.',
    rule: 'BLK-7',
    code: 'BLOCK_STATE_ROOT',
    check: {
      file: protocolFile('lthash.ts'),
      from: "taggedXof('ltHashElement', LTHASH_BYTES, u32le(key.length), key, value)",
      to: "taggedXof('ltHashElement', LTHASH_BYTES, key, value)",
    },
    run: async () => {
      const one = await firstBlock()
      const join = (entries: Map<string, Uint8Array>): void => {
        const state = new MemoryState(one.context)
        state.entries.clear()
        for (const [key, value] of entries) state.entries.set(key, value)
        checkTransition(one.context, one.block, state, ltHashOf(entries))
      }
      return outcomeOf(
        () => join(one.state.entries),
        () => join(shiftBoundary(one.state.entries, 'supply/faucet')),
      )
    },
  }),
  onProtocol({
    id: 'commitment/other-rules',
    actor: 'miner',
    targets: 'P7',
    story: 'A block says that it follows a later version of the rules, under which it could mean anything.',
    rule: 'BLK-1',
    code: 'BLOCK_VERSION',
    check: { file: VALIDATE_HEADER, from: 'header.version === BLOCK_VERSION', to: 'true' },
    run: () => headerInstead((one) => one.signedHeader({ version: 2 })),
  }),
  onProtocol({
    id: 'commitment/wrong-chain-block',
    actor: 'miner',
    targets: 'P7',
    story: 'A block won on a network with easier rules is shown on this one.',
    rule: 'BLK-1',
    code: 'BLOCK_CHAIN',
    check: { file: VALIDATE_HEADER, from: 'equalBytes(header.chainId, genesis.chainId)', to: 'true' },
    run: () => headerInstead((one) => one.signedHeader({ chainId: flipped(one.genesis.chainId) })),
  }),
  onProtocol({
    id: 'commitment/changed-after-signing',
    actor: 'peer',
    targets: 'P9',
    story: 'Whoever forwards a block changes its time, which no ticket covers, and so the difficulty after it.',
    rule: 'BLK-1',
    code: 'SIGNATURE_INVALID',
    check: { file: VALIDATE_HEADER, from: 'check(hasValidSignature(header),', to: 'check(true,' },
    run: () => headerInstead(({ block }) => ({ ...block.header, timeMs: block.header.timeMs + 1 })),
  }),
  onProtocol({
    id: 'commitment/tokens-past-the-vocabulary',
    actor: 'miner',
    targets: 'B5',
    story:
      'A generated token is written with the size of the vocabulary added, a second spelling for whoever wraps it around.',
    rule: 'BLK-1',
    code: 'BLOCK_TOKENS',
    check: {
      file: protocolFile('block/validate-body.ts'),
      from: 'body.tokens.every((token) => token < vocabSize)',
      to: 'true',
    },
    run: async () => {
      const one = await firstBlock()
      const { tokens } = one.block.body
      const { vocabSize } = one.context.bootstrap.model.config
      return outcomeOf(
        () => checkBody(one.context, one.block),
        () => checkBody(one.context, one.withTokens(tokens.with(-1, tokens.at(-1)! + vocabSize))),
      )
    },
  }),
  onProtocol({
    id: 'commitment/one-header-as-two',
    actor: 'outsider',
    targets: 'P5',
    story: "An honest miner's one header is shown twice as evidence that it signed two blocks for one ticket.",
    rule: 'BLK-3',
    code: 'TX_EQUIVOCATION',
    check: { file: EQUIVOCATION, from: ' || equalBytes(blockId(a), blockId(b))', to: '' },
    run: () => evidenceInstead(({ block }) => [block.header, block.header]),
  }),
  onProtocol({
    id: 'commitment/unsigned-evidence',
    actor: 'outsider',
    targets: 'P5',
    story: "A second header is made in an honest miner's name, with a signature of somebody else.",
    rule: 'BLK-3',
    code: 'TX_EQUIVOCATION',
    check: { file: EQUIVOCATION, from: 'if (!hasValidSignature(header)) throw', to: 'if (false) throw' },
    run: () =>
      evidenceInstead(({ block }) => {
        const other = { ...block.header, timeMs: block.header.timeMs + 1 }
        return [block.header, { ...signHeader(other, testKeys(2)), minerKey: block.header.minerKey }]
      }),
  }),
  onProtocol({
    id: 'commitment/evidence-of-another-chain',
    actor: 'outsider',
    targets: 'P5',
    story: 'Headers that a miner signed while it tried things out on another network are shown on this one.',
    rule: 'BLK-3',
    code: 'TX_EQUIVOCATION',
    check: { file: EQUIVOCATION, from: 'equalBytes(header.chainId, context.genesis.chainId)', to: 'true' },
    run: () =>
      evidenceInstead((one) => {
        const elsewhere = (timeMs: number): BlockHeader =>
          one.signedHeader({ chainId: flipped(one.genesis.chainId), timeMs })
        return [elsewhere(one.NOW_MS), elsewhere(one.NOW_MS + 1)]
      }),
  }),
]
