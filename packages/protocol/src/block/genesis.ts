import { hexToBytes } from '../bytes.ts'
import { taggedHash } from '../hash.ts'
import { type GenesisState, genesisState } from '../ledger/genesis.ts'
import { FOLD_WORDS } from '../lottery/types.ts'
import { paramsHash } from '../params/lines.ts'
import type { Params } from '../params/types.ts'
import { OP_QKV } from '../trace/types.ts'
import { LANE_BOOTSTRAP } from '../unit/types.ts'
import { bodyRoot } from './body.ts'
import { BLOCK_VERSION, type BlockHeader, blockId } from './header.ts'

export interface Genesis {
  readonly header: BlockHeader
  readonly id: Uint8Array
  readonly chainId: Uint8Array
  readonly state: GenesisState
}

/** The chain id: two nodes with different parameters never connect silently (section 4). */
export function chainIdOf(params: Params): Uint8Array {
  return taggedHash('chainId', paramsHash(params))
}

/** The genesis block: no unit, no ticket, no signature; everything in it follows from the parameters. */
export function genesisOf(params: Params): Genesis {
  const zero = new Uint8Array(32)
  const state = genesisState(params)
  const chainId = chainIdOf(params)
  const header: BlockHeader = {
    version: BLOCK_VERSION,
    chainId,
    height: 0,
    parentId: zero,
    timeMs: params.network.genesisTimeMs,
    bits: params.difficulty.genesisBits,
    beacon: hexToBytes(params.network.genesisBeacon),
    bodyRoot: bodyRoot({ tokens: [], transactions: [] }),
    stateRoot: state.stateRoot,
    minerKey: zero,
    unit: { lane: LANE_BOOTSTRAP, modelId: zero, parentId: zero, jobId: zero, counter: 0 },
    promptTokens: 0,
    traceRoot: zero,
    ticket: { layer: 0, op: OP_QKV, tileRow: 0, tileColumn: 0 },
    foldState: new Uint32Array(FOLD_WORDS),
    ticketProofHash: zero,
    signature: new Uint8Array(64),
  }
  return { header, id: blockId(header), chainId, state }
}
