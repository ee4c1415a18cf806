/**
 * Real blocks by label: `a1`, `a2`, ... Each letter mines with a key of its own, so that branches differ. Units are executed by the
 * real engine; what a block does to the state is kept beside it, so that tests compare a node with an independent account.
 */
import { createFastHash, createKernels, createUnitEngine, inlineWorkers, type UnitEngine } from '@nacre/engine'
import {
  type Ancestry,
  accountOf,
  applyBlockBody,
  assembleBlock,
  type Block,
  type BlockHeader,
  blockId,
  bodyRoot,
  bootstrapTask,
  buildTicketProof,
  bytesToHex,
  type ConsensusContext,
  encodeTransaction,
  FAUCET_SEED_HEX,
  hexToBytes,
  type KeyPair,
  keyPairFromSeed,
  LANE_BOOTSTRAP,
  type LtHash,
  type Model,
  requiredBits,
  signHeader,
  signTransaction,
  type Trace,
  type TransactionBody,
  targetFromBits,
  ticketMacs,
  ticketWins,
  unitId,
} from '@nacre/protocol'
import { easyContext } from '../../../protocol/test/chain-fixture.ts'
import { engineBlockWorkers } from '../../src/adapters/engine-workers.ts'
import type { BlockWorkers } from '../../src/ports/workers.ts'

export const hash = await createFastHash()
export const kernels = await createKernels()

export const faucetKeys: KeyPair = keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX))

/** The key that mines the blocks of a label: its letter repeated. */
export function keysOf(label: string): KeyPair {
  return keyPairFromSeed(new Uint8Array(32).fill(label.charCodeAt(0)))
}

/** A block with everything around it. Genesis has no block. */
export interface Forged {
  readonly label: string
  readonly id: Uint8Array
  readonly header: BlockHeader
  readonly block: Block | undefined
  readonly trace: Trace | undefined
  readonly keys: KeyPair
  readonly parent: Forged | undefined
  /** State entries after the block. */
  readonly entries: ReadonlyMap<string, Uint8Array>
  readonly ltHash: LtHash
}

export interface MineOptions {
  readonly keys?: KeyPair
  readonly counter?: number
  /** Milliseconds after the parent; default one block time. */
  readonly afterMs?: number
  readonly transactions?: readonly Uint8Array[]
}

export class Forge {
  readonly context: ConsensusContext
  readonly genesis: Forged
  readonly #engine: UnitEngine
  readonly #blocks = new Map<string, Forged>()

  /** @param context default: the easiest target, where every unit wins. */
  constructor(context: ConsensusContext = easyContext) {
    this.context = context
    this.#engine = createUnitEngine({ model: context.bootstrap.model, kernels, hash })
    const { genesis } = context
    const entries = new Map(genesis.state.changes.flatMap(({ key, after }) => (after ? [[key, after] as const] : [])))
    this.genesis = {
      label: 'genesis',
      id: genesis.id,
      header: genesis.header,
      block: undefined,
      trace: undefined,
      keys: keysOf('genesis'),
      parent: undefined,
      entries,
      ltHash: genesis.state.ltHash,
    }
    this.#blocks.set('genesis', this.genesis)
  }

  /** Block validation by the real engine, on the spot. */
  workers(): BlockWorkers {
    const engineFor = (model: Model): UnitEngine => createUnitEngine({ model, kernels, hash })
    return engineBlockWorkers(this.context, inlineWorkers([engineFor(this.context.bootstrap.model)], hash, engineFor))
  }

  get(label: string): Forged {
    const found = this.#blocks.get(label)
    if (found === undefined) throw new Error(`no block ${label} was made`)
    return found
  }

  block(label: string): Block {
    return this.get(label).block!
  }

  labelOf(id: Uint8Array): string {
    const hex = bytesToHex(id)
    return [...this.#blocks.values()].find((forged) => bytesToHex(forged.id) === hex)?.label ?? `unknown ${hex}`
  }

  /** Mines the labels one upon the other, the first on the block `on`. */
  mine(labels: string, on = 'genesis', options: MineOptions = {}): void {
    let parent = this.get(on)
    for (const label of labels.split(' ')) {
      parent = this.mineOn(parent, label, options)
      this.keep(parent)
    }
  }

  /** A variant of a block: the change is signed anew, so that only the rule under test can refuse it. Keeps it as `label`. */
  tamper(label: string, of: string, change: Partial<BlockHeader>, body?: Block['body']): Block {
    const original = this.get(of)
    const { body: honestBody, proof } = original.block!
    const bodyChange = body === undefined ? {} : { bodyRoot: bodyRoot(body) }
    const header = signHeader({ ...original.header, ...change, ...bodyChange }, original.keys)
    const block = { header, body: body ?? honestBody, proof }
    this.keep({ ...original, label, id: blockId(header), header, block })
    return block
  }

  /** A block whose last generated token is not what the model chose: all is well until the unit is executed again. */
  withWrongToken(label: string, of: string): Block {
    const { body } = this.block(of)
    const last = body.tokens.at(-1)!
    return this.tamper(label, of, {}, { ...body, tokens: [...body.tokens.slice(0, -1), (last + 1) % 256] })
  }

  mineOn(parent: Forged, label: string, options: MineOptions = {}): Forged {
    const { context } = this
    const keys = options.keys ?? keysOf(label)
    const ancestry = ancestryOf(parent)
    const timeMs = parent.header.timeMs + (options.afterMs ?? context.params.block.timeMs)
    for (let counter = options.counter ?? 0; ; counter++) {
      const won = this.#runUnit(parent, ancestry, keys, counter)
      if (won === undefined) continue
      const reader = { get: (key: string) => parent.entries.get(key) }
      const transactions = options.transactions ?? []
      const { ltHash } = parent
      const block = assembleBlock({ context, ancestry, timeMs, won, transactions, reader, ltHash, keys })
      const applied = applyBlockBody(context, block.header, transactions, reader, ltHash)
      const entries = new Map(parent.entries)
      for (const { key, after } of applied.changes) {
        if (after === undefined) entries.delete(key)
        else entries.set(key, after)
      }
      const { header } = block
      const { trace } = won
      return { label, id: blockId(header), header, block, trace, keys, parent, entries, ltHash: applied.ltHash }
    }
  }

  /** Undefined if the unit does not win. */
  #runUnit(parent: Forged, ancestry: Ancestry, keys: KeyPair, counter: number) {
    const { params, bootstrap } = this.context
    const { model, params: modelParams } = bootstrap
    const jobId = new Uint8Array(32)
    const unit = { lane: LANE_BOOTSTRAP, modelId: model.modelId, parentId: parent.id, jobId, counter } as const
    const id = unitId(unit, keys.publicKey)
    const { trace, traceRoot, commitment, best } = this.#engine.runUnit({
      task: bootstrapTask(params, id, bootstrap.corpus),
      modelParams,
      unitId: id,
      minerKey: keys.publicKey,
      parentBeacon: parent.header.beacon,
    })
    const macs = ticketMacs(params, LANE_BOOTSTRAP, model.config, modelParams)
    const target = targetFromBits(requiredBits(this.context, ancestry))
    if (best === undefined || !ticketWins(best.hash, target, macs)) return undefined
    const proof = buildTicketProof(trace, commitment.subroots, commitment.top, best.position, modelParams.tileRows)
    return { unit, tokens: [...trace.tokens], traceRoot, ticket: best, proof, trace }
  }

  /** Keeps a block that was made elsewhere on `parent`. */
  add(label: string, parent: Forged, block: Block, trace: Trace, keys: KeyPair): void {
    const reader = { get: (key: string) => parent.entries.get(key) }
    const { header, body } = block
    const applied = applyBlockBody(this.context, header, body.transactions, reader, parent.ltHash)
    const entries = new Map(parent.entries)
    for (const { key, after } of applied.changes) {
      if (after === undefined) entries.delete(key)
      else entries.set(key, after)
    }
    this.keep({ label, id: blockId(header), header, block, trace, keys, parent, entries, ltHash: applied.ltHash })
  }

  keep(forged: Forged): void {
    if (this.#blocks.has(forged.label)) throw new Error(`${forged.label} was made before`)
    this.#blocks.set(forged.label, forged)
  }
}

export function ancestryOf(parent: Forged): Ancestry {
  const headers: BlockHeader[] = []
  for (let at: Forged | undefined = parent; at !== undefined; at = at.parent) headers.unshift(at.header)
  return { recent: headers.slice(-11), first: headers[1] }
}

/** A signed, encoded transaction; the fee is the least there is. */
export function transactionOf(
  context: ConsensusContext,
  keys: KeyPair,
  nonce: bigint,
  body: TransactionBody,
  fee: bigint = context.params.fees.minTransactionGrains,
): Uint8Array {
  return encodeTransaction(signTransaction({ chainId: context.genesis.chainId, nonce, fee, body }, keys))
}

export function transferTo(to: KeyPair, grains: bigint): TransactionBody {
  return { kind: 'transfer', to: accountOf(to.publicKey), grains }
}
