/** Ticket proofs and headers that say more than was multiplied: operands, tiles, ranks and targets of the miner's choice. */
import {
  type BlockHeader,
  buildModel,
  bytesToHex,
  checkHeaderForm,
  createContext,
  foldOpenedTile,
  LANE_BOOTSTRAP,
  operandNoiseSeed,
  operandRows,
  overrideParams,
  paramLines,
  residualRow,
  syntheticModel,
  ticketShape,
  UNIT_MODEL_DIMS,
  unitCorpus,
  unitModel,
  weightSeedOf,
} from '@nacre/protocol'
import { blockOf, type Network, unitOf, validate } from '../../../../packages/protocol/test/bindings/network.ts'
import { easyParams, MemoryState, testKeys } from '../../../../packages/protocol/test/chain-fixture.ts'
import type { Mutation, Outcome, StoppedAttack } from '../../attack.ts'
import {
  drawnUnit,
  firstProof,
  PARENT_BEACON,
  proofOf,
  traceWith,
  UNIT_LOTTERY,
  verifyProof,
} from '../../fixtures/drawn-unit.ts'
import { firstBlock } from '../../fixtures/first-block.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'

const PROOF = protocolFile('lottery/proof.ts')
const HEADER_TICKET = protocolFile('lottery/header-ticket.ts')
const BITS = protocolFile('difficulty/bits.ts')
const STATE_COMPARED: Mutation = {
  file: PROOF,
  from: 'const equal = state.every((word, i) => word === foldState[i])',
  to: 'const equal = true',
}

/** The honest proof of a drawn unit holds; what the miner claims instead meets its code. */
const claimed = (claim: () => ReturnType<typeof firstProof>) => (): Promise<Outcome> =>
  outcomeOf(
    () => verifyProof(firstProof()),
    () => verifyProof(claim()),
  )

/** The honest header has the form of one; the changed and signed one meets its code. */
async function headerWith(change: (header: BlockHeader) => Partial<BlockHeader>): Promise<Outcome> {
  const one = await firstBlock()
  return outcomeOf(
    () => checkHeaderForm(one.context, one.block.header),
    () => checkHeaderForm(one.context, one.signedHeader(change(one.block.header))),
  )
}

/** The first tile of the first operation, folded over the rows of the second under the noise of the first. */
function shiftedProof(): ReturnType<typeof firstProof> {
  const honest = firstProof()
  const { trace } = drawnUnit()
  const { model, modelParams, unitId, minerKey, promptTokens } = honest
  const [layer, op] = [0, 0] as const
  const side = { modelParams, model, parentBeacon: PARENT_BEACON, layer, op }
  const shape = ticketShape(model.config, modelParams, op, promptTokens)
  const rows = Array.from({ length: shape.h }, (_, i) => residualRow(trace, layer, op, shape.h + i))
  const weightSeed = weightSeedOf(side)
  const { preRoot } = honest.proof
  const operandSeed = operandNoiseSeed({ weightSeed, unitId, minerKey, preRoot, m: shape.m, k: shape.k })
  const operand = operandRows(model, layer, op, rows)
  const foldState = foldOpenedTile({ side, shape, weightSeed, operandSeed, operand, tileRow: 0, tileColumn: 0 })
  const ticket = { position: { layer, op, tileRow: 0, tileColumn: 0 }, foldState }
  const opened = proofOf(trace).proof
  const shifted = { ...opened, rows: rows.map((row) => new Uint8Array(row.slice().buffer)) }
  return { ...honest, ticket, proof: shifted }
}

/** A network that lists a second, smaller model for jobs. */
function networkOfTwo(): { network: Network; small: Uint8Array } {
  const dims = { ...UNIT_MODEL_DIMS, ffnDim: 16 }
  const small = syntheticModel({ name: 'small', dims, seed: 'small', tiedHead: false })
  const lines = paramLines(easyParams)
    .filter((line) => line.startsWith('models.0.'))
    .map((line) => line.replace('models.0.', 'models.1.').replace(/(modelId=).*/, `$1${bytesToHex(small.modelId)}`))
  const context = createContext(overrideParams(easyParams, lines), unitModel(), unitCorpus(), [
    buildModel(small.config, small),
  ])
  const { header, id } = context.genesis
  const ancestry = { recent: [header], first: undefined }
  const state = new MemoryState(context)
  const base = { context, ancestry, parentId: id, state, timeMs: header.timeMs + 1000, keys: testKeys(1) }
  return { network: { context, base }, small: small.modelId }
}

export const proofs: readonly StoppedAttack[] = [
  onProtocol({
    id: 'lottery/operand-of-choice',
    actor: 'miner',
    targets: 'B3',
    story:
      'The tile is multiplied over rows of zeros, for which the product is the noise; they open under a pre-root that the trace does not have.',
    rule: 'WRK-7',
    code: 'TICKET_PROOF_OPENING',
    check: {
      file: PROOF,
      from: '    verifyMerkle(traceRoot, subrootCount(model.config), [pre], [preLeaf], proof.topProof, hash)\n',
      to: '',
    },
    run: claimed(() => {
      const zeros = traceWith((trace) => {
        trace.h[0]!.fill(0)
      })
      const { traceRoot, proof } = firstProof()
      const chosen = proofOf(zeros, traceRoot)
      return { ...chosen, proof: { ...chosen.proof, topProof: proof.topProof } }
    }),
  }),
  onProtocol({
    id: 'lottery/row-shift',
    actor: 'miner',
    targets: 'B3',
    story:
      'The rows of the second tile are multiplied under the noise of the first: true rows at another place, another draw.',
    rule: 'WRK-7',
    code: 'TICKET_PROOF_OPENING',
    check: {
      file: PROOF,
      from: '    verifyMerkle(proof.preRoot, promptTokens, indices, leaves, proof.rowProof, hash)\n',
      to: '',
    },
    run: claimed(shiftedProof),
  }),
  onProtocol({
    id: 'lottery/rank-of-choice',
    actor: 'miner',
    targets: 'B3',
    story: 'The miner folds with noise of rank 32 where the model has rank 8: a quarter of the fold steps.',
    rule: 'WRK-6',
    code: 'TICKET_STATE_MISMATCH',
    check: STATE_COMPARED,
    run: claimed(() => proofOf(drawnUnit().trace, undefined, { ...UNIT_LOTTERY, noiseRank: 32 })),
  }),
  onProtocol({
    id: 'lottery/tile-of-choice',
    actor: 'miner',
    targets: 'B3',
    story: 'Tiles of two rows instead of four: twice as many tickets for the same product.',
    rule: 'WRK-6',
    code: 'TICKET_PROOF_SHAPE',
    check: { file: PROOF, from: 'rows.length === tileRows', to: 'true' },
    run: claimed(() => proofOf(drawnUnit().trace, undefined, { ...UNIT_LOTTERY, tileRows: 2 })),
  }),
  onProtocol({
    id: 'lottery/partial-tile',
    actor: 'miner',
    targets: 'B3',
    story: 'The two rows below the last full tile are drawn as one more row of tiles.',
    rule: 'WRK-3',
    code: 'TICKET_POSITION',
    check: { file: HEADER_TICKET, from: 'isIndex(tileRow, rowTiles)', to: 'true' },
    run: async () => {
      const one = await firstBlock()
      const { rowTiles } = ticketShape(unitModel().config, UNIT_LOTTERY, 0, one.block.header.promptTokens)
      return headerWith(({ ticket }) => ({ ticket: { ...ticket, tileRow: rowTiles } }))
    },
  }),
  onProtocol({
    id: 'lottery/layer-that-is-not',
    actor: 'miner',
    targets: 'B4',
    story: 'A ticket is drawn from a layer after the last: a name for any number of states.',
    rule: 'WRK-4',
    code: 'TICKET_POSITION',
    check: { file: HEADER_TICKET, from: 'isIndex(layer, dims.nLayers)', to: 'true' },
    run: () => headerWith(({ ticket }) => ({ ticket: { ...ticket, layer: 2 } })),
  }),
  onProtocol({
    id: 'lottery/target-past-the-easiest',
    actor: 'miner',
    targets: 'P8',
    story: 'A header sets its own target so high that target times MACs passes 2^256, and every ticket wins.',
    rule: 'BLK-6',
    code: 'BLOCK_BITS',
    check: { file: protocolFile('block/validate-header.ts'), from: 'target <= maxTarget', to: 'true' },
    run: () => headerWith(() => ({ bits: 0x207fffff })),
  }),
  onProtocol({
    id: 'lottery/target-spelled-twice',
    actor: 'miner',
    targets: 'P7',
    story: 'The same target is written with another exponent, so that one block has two ids.',
    rule: 'BLK-6',
    code: 'BLOCK_BITS',
    check: { file: BITS, from: 'bitsFromTarget(target) === bits', to: 'true' },
    run: () => headerWith(({ bits }) => ({ bits: bits + 0x01000000 - (bits & 0x7fffff) + ((bits & 0x7fffff) >>> 8) })),
  }),
  onProtocol({
    id: 'lottery/smaller-registered-model',
    actor: 'miner',
    targets: 'B2',
    story: 'A bootstrap unit is run with the smallest of the registered models, which has the fewest MACs per ticket.',
    rule: 'BLK-1',
    code: 'UNIT_MODEL',
    check: {
      file: protocolFile('block/validate-header.ts'),
      from: "params.bindings.registeredWeights === 'off' ||\n      equalBytes(unit.modelId, bootstrap.model.modelId)",
      to: 'true',
    },
    run: () => {
      const { network, small } = networkOfTwo()
      return outcomeOf(
        () => validate(network, blockOf(network, unitOf(network, { lane: LANE_BOOTSTRAP }))),
        () => validate(network, blockOf(network, unitOf(network, { modelId: small }))),
      )
    },
  }),
]
