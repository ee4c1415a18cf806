/** Blocks of the open lane on the parameters of `unit`: every ticket wins, tiles are the smallest there are. */
import {
  type Ancestry,
  assembleBlock,
  type Block,
  type ConsensusContext,
  createContext,
  type KeyPair,
  openPearlHeader,
  openRules,
  openUnit,
  overrideParams,
  pearl,
  requiredBits,
  type UnitDescriptor,
  unitCorpus,
  unitModel,
} from '../src/index.ts'
import { easyParams, type MemoryState } from './chain-fixture.ts'
import { type Shape, SMALL, workOf } from './pearl-fixture.ts'

export const openParams = overrideParams(easyParams, ['bindings.provenance=open', 'jobs.paidDrawPpm=0'])
export const openContext: ConsensusContext = createContext(openParams, unitModel(), unitCorpus())

export interface OpenInput {
  readonly ancestry: Ancestry
  readonly parentId: Uint8Array
  readonly state: MemoryState
  readonly timeMs: number
  readonly keys: KeyPair
  readonly counter?: number
  readonly work?: Partial<pearl.Work>
  /** Default `SMALL`. */
  readonly shape?: Shape
  readonly transactions?: readonly Uint8Array[]
}

export interface OpenMined {
  readonly block: Block<Uint8Array>
  readonly unit: UnitDescriptor
  readonly committed: pearl.CommittedWork
  readonly plain: pearl.PlainProof
}

/** Mines the tile at row 1, column 33 of a product with the configuration of `SMALL`. */
export function mineOpen(input: OpenInput, context: ConsensusContext = openContext): OpenMined {
  const { ancestry, parentId, state, timeMs, keys, counter = 0, transactions = [], shape = SMALL } = input
  const { rule } = openRules(context.params.open)
  const base = workOf(shape, { rule, ...input.work })
  const unit = openUnit(parentId, base.configuration, counter)
  const header = openPearlHeader(unit, keys.publicKey, requiredBits(context, ancestry))
  const committed = pearl.commitWork({ ...base, header })
  const tile = pearl.drawTile(committed, 1, 33)
  const plain = pearl.openTile(committed, 1, 33)
  const position = { layer: 0, op: 0, tileRow: 0, tileColumn: 0 } as const
  const won = {
    unit,
    tokens: [],
    traceRoot: committed.seedA,
    ticket: { position, foldState: tile.state, hash: tile.ticket },
    proof: pearl.encodePlainProof(plain),
  }
  const { ltHash } = state
  const block = assembleBlock({ context, ancestry, timeMs, won, transactions, reader: state, ltHash, keys })
  return { block, unit, committed, plain }
}
