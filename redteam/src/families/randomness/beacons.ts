/** Beacons and noise of the miner's choice. */
import {
  accountOf,
  applyBlockBody,
  assembleBlock,
  type Block,
  bestTicket,
  blockId,
  bootstrapTask,
  buildTicketProof,
  bytesToHex,
  commitTrace,
  drawUnit,
  executeUnit,
  foldTile,
  headerTicketHash,
  LANE_BOOTSTRAP,
  nextBeacon,
  noisedOperandRows,
  noiseWeights,
  operandNoise,
  operandNoiseSeed,
  operandRows,
  readJob,
  residualRow,
  signHeader,
  type Ticket,
  type Trace,
  taggedHash,
  ticketShape,
  type UnitDescriptor,
  u32le,
  unitId,
  verifyTicketProof,
  type WeightSide,
  weightSeedOf,
} from '@nacre/protocol'
import { mineBlock, TestChain, testKeys } from '../../../../packages/protocol/test/chain-fixture.ts'
import { BOB, FAUCET, transactionOf, transfer } from '../../../../packages/protocol/test/ledger-fixture.ts'
import type { Attack, Mutation, Outcome } from '../../attack.ts'
import { drawnUnit, firstProof, UNIT_LOTTERY } from '../../fixtures/drawn-unit.ts'
import { firstBlock } from '../../fixtures/first-block.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'
import { paidChain, validateNext } from '../../fixtures/paid-chain.ts'

type First = Awaited<ReturnType<typeof firstBlock>>
const BEACON_COMPARED: Mutation = {
  file: protocolFile('block/validate-header.ts'),
  from: 'equalBytes(header.beacon, beacon)',
  to: 'true',
}

/** The block with the beacon that follows is valid; with the miner's it meets its code. */
async function beaconInstead(beaconOf: (one: First) => Uint8Array): Promise<Outcome> {
  const one = await firstBlock()
  return outcomeOf(
    () => one.validate(one.block),
    () => one.validate(one.withHeader({ beacon: beaconOf(one) })),
  )
}

/** The same won unit in a block of another content. */
function withContent(one: First, timeMs: number, transactions: readonly Uint8Array[]): Block {
  const { context, ancestry, state, block, trace, miner: keys } = one
  const { unit, traceRoot, ticket: position, foldState } = block.header
  const ticket = { position, foldState, hash: headerTicketHash(block.header) }
  const won = { unit, tokens: [...trace.tokens], traceRoot, ticket, proof: block.proof }
  return assembleBlock({ context, ancestry, timeMs, won, transactions, reader: state, ltHash: state.ltHash, keys })
}

/** Contents that a miner tries one after the other. */
function* contents(one: First): Generator<Block> {
  const pay = transactionOf(FAUCET, 0n, transfer(accountOf(BOB.publicKey), 5n), 1000n, one.genesis.chainId)
  for (let i = 0; i < 4; i++) yield withContent(one, one.NOW_MS - i, i % 2 === 0 ? [] : [pay])
}

/** A bootstrap block on a chain's tip, drawn under whatever beacon, and with whichever of its tickets. */
function drawnUnder(chain: TestChain, parentBeacon: Uint8Array, choose: (tickets: readonly Ticket[]) => Ticket): Block {
  const { context, base, state } = chain
  const keys = testKeys(1)
  const { model, params: modelParams, corpus } = context.bootstrap
  const parentId = base.parentId
  const unit: UnitDescriptor = {
    lane: LANE_BOOTSTRAP,
    modelId: model.modelId,
    parentId,
    jobId: new Uint8Array(32),
    counter: 0,
  }
  const id = unitId(unit, keys.publicKey)
  const task = bootstrapTask(context.params, id, corpus)
  const trace: Trace = executeUnit(model, task)
  const { traceRoot, subroots, top } = commitTrace(trace)
  const identity = { unitId: id, minerKey: keys.publicKey, traceRoot }
  const ticket = choose(drawUnit({ ...identity, modelParams, model, parentBeacon, trace }))
  const proof = buildTicketProof(trace, subroots, top, ticket.position, modelParams.tileRows)
  const won = { unit, tokens: [...trace.tokens], task, traceRoot, ticket, proof }
  return assembleBlock({ ...base, won, transactions: [], reader: state, ltHash: state.ltHash, keys })
}
const best = (tickets: readonly Ticket[]): Ticket => bestTicket(tickets)!

function chainOfOne(): TestChain {
  const chain = new TestChain()
  chain.mine(testKeys(2))
  return chain
}

export const beacons: readonly Attack[] = [
  onProtocol({
    id: 'randomness/beacon-of-another-branch',
    actor: 'miner',
    targets: 'P6',
    story: 'A block carries the beacon of a sibling, under which the next jobs would be the miner’s.',
    rule: 'BLK-2',
    code: 'BLOCK_BEACON',
    check: BEACON_COMPARED,
    run: () =>
      beaconInstead(({ context, ancestry, genesis, state, NOW_MS: timeMs }) => {
        const input = { context, ancestry, parentId: genesis.id, state, timeMs, keys: testKeys(2) }
        return mineBlock(input).block.header.beacon
      }),
  }),
  onProtocol({
    id: 'randomness/stale-beacon',
    actor: 'miner',
    targets: 'P6',
    story: 'A block repeats its parent’s beacon, so that what it decided is decided again.',
    rule: 'BLK-2',
    code: 'BLOCK_BEACON',
    check: BEACON_COMPARED,
    run: () => beaconInstead(({ genesis }) => genesis.header.beacon),
  }),
  onProtocol({
    id: 'randomness/future-beacon',
    actor: 'miner',
    targets: 'P6',
    story: 'A block carries the beacon that would follow after one more block with the same ticket.',
    rule: 'BLK-2',
    code: 'BLOCK_BEACON',
    check: BEACON_COMPARED,
    run: () => beaconInstead(({ block }) => nextBeacon(block.header.beacon, headerTicketHash(block.header))),
  }),
  onProtocol({
    id: 'randomness/reroll-by-body',
    actor: 'miner',
    targets: 'P6',
    story:
      'Times and transactions are tried until the beacon, as if it were a hash of the block, assigns as the miner likes. Every honest content has the same beacon.',
    rule: 'BLK-2',
    code: 'BLOCK_BEACON',
    check: BEACON_COMPARED,
    run: async () => {
      const one = await firstBlock()
      const tried = [...contents(one)]
      const rolls = tried.map((block) => ({
        block,
        beacon: nextBeacon(one.genesis.header.beacon, blockId(block.header)),
      }))
      const { beacon } = rolls.reduce((a, b) => (bytesToHex(a.beacon) < bytesToHex(b.beacon) ? a : b))
      return outcomeOf(
        () => {
          for (const block of tried) one.validate(block)
        },
        () => one.validate(one.withHeader({ beacon })),
      )
    },
  }),
  onProtocol({
    id: 'randomness/assigned-by-another-beacon',
    actor: 'miner',
    targets: 'P6',
    story: 'A block carries the right beacon, and a state in which another one has assigned the jobs.',
    rule: 'ECO-6',
    code: 'BLOCK_STATE_ROOT',
    check: {
      file: protocolFile('block/validate-transition.ts'),
      from: 'equalBytes(applied.stateRoot, block.header.stateRoot)',
      to: 'true',
    },
    run: () => {
      const { chain, jobId, ranks } = paidChain()
      const early = new TestChain(chain.context)
      for (const block of chain.blocks.slice(0, -1)) early.add(block)
      const next = chain.blocks.at(-1)!
      const miner = testKeys(2)
      const forged = (): Block => {
        for (let i = 0; ; i++) {
          const header = { ...next.header, beacon: taggedHash('beacon', u32le(i)) }
          const applied = applyBlockBody(early.context, header, [], early.state, early.state.ltHash)
          const change = applied.changes.find(({ key }) => key === `job/${bytesToHex(jobId)}`)!
          const { ranks: drawn } = readJob({ get: () => change.after }, jobId)!
          if (bytesToHex(drawn[0]!) === bytesToHex(ranks[0].publicKey)) continue
          return { ...next, header: signHeader({ ...next.header, stateRoot: applied.stateRoot }, miner) }
        }
      }
      return outcomeOf(
        () => validateNext(early, next),
        () => validateNext(early, forged()),
      )
    },
  }),
  onProtocol({
    id: 'randomness/noise-of-a-stale-beacon',
    actor: 'miner',
    targets: 'B3',
    story:
      'The noised weights of an older block are kept and multiplied again, instead of making them for each parent.',
    rule: 'WRK-2',
    code: 'TICKET_STATE_MISMATCH',
    check: {
      file: protocolFile('lottery/seeds.ts'),
      from: "taggedHash('noiseWeights', parentBeacon, modelId,",
      to: "taggedHash('noiseWeights', modelId,",
    },
    run: () => {
      const chain = chainOfOne()
      const [old, parent] = chain.ancestry.recent.map(({ beacon }) => beacon) as [Uint8Array, Uint8Array]
      return outcomeOf(
        () => validateNext(chain, drawnUnder(chain, parent, best)),
        () => validateNext(chain, drawnUnder(chain, old, best)),
      )
    },
  }),
  onProtocol({
    id: 'randomness/verifier-with-stale-noise',
    actor: 'miner',
    targets: 'B3',
    story: 'A proof under the noise of an older block is sent to a node that still keeps those columns.',
    rule: 'WRK-7',
    code: 'TICKET_STATE_MISMATCH',
    check: {
      file: protocolFile('lottery/noised-weights.ts'),
      from: 'equalBytes(kept.seed, weightSeedOf(side))',
      to: 'true',
    },
    run: () => {
      const honest = firstProof()
      const { model, unitId: id, minerKey, promptTokens } = honest
      const stale = new Uint8Array(32).fill(0xb2)
      const [layer, op] = [0, 0] as const
      const side = { modelParams: UNIT_LOTTERY, model, parentBeacon: honest.parentBeacon, layer, op }
      const shape = ticketShape(model.config, UNIT_LOTTERY, op, promptTokens)
      const { m, k, r, h, w } = shape
      const rows = Array.from({ length: h }, (_, i) => residualRow(drawnUnit().trace, layer, op, i))
      const { preRoot } = honest.proof
      const seed = operandNoiseSeed({ weightSeed: weightSeedOf(side), unitId: id, minerKey, preRoot, m, k })
      const operand = noisedOperandRows(operandRows(model, layer, op, rows), operandNoise(seed, k, r, 0, h))
      const foldState = foldTile(operand, noiseWeights({ ...side, parentBeacon: stale }, 0, w).noised, shape)
      const old = { ...honest, ticket: { position: { layer, op, tileRow: 0, tileColumn: 0 }, foldState } }
      const keptOf = (parentBeacon: Uint8Array) => (of: WeightSide) => noiseWeights({ ...of, parentBeacon })
      return outcomeOf(
        () => verifyTicketProof(honest, keptOf(honest.parentBeacon)),
        () => verifyTicketProof(old, keptOf(stale)),
      )
    },
  }),
  {
    id: 'randomness/choose-among-wins',
    actor: 'miner',
    targets: 'P6',
    on: 'protocol',
    story:
      'A unit with several winning tickets is published with the one whose beacon its miner likes best, or not at all.',
    because:
      'Each choice is a ticket that won, so it costs what a block costs, and who keeps a block back loses it. Only where one unit wins several times, at targets far easier than a network has, is it free. It biases who is assigned the jobs of one block; their prices were fixed before.',
    run: () => {
      const chain = chainOfOne()
      const parent = chain.ancestry.recent.at(-1)!.beacon
      const blocks = [0, 5].map((i) => drawnUnder(chain, parent, (tickets) => tickets[i]!))
      for (const block of blocks) validateNext(chain, block)
      return bytesToHex(blocks[0]!.header.beacon) !== bytesToHex(blocks[1]!.header.beacon)
    },
  },
]
