import { bytesToHex, equalBytes, u32le } from '../src/bytes.ts'
import { ProtocolError } from '../src/errors.ts'
import { taggedHash } from '../src/hash.ts'
import { accountOf, type KeyPair, keyPairFromSeed } from '../src/keys.ts'
import { auditSupply, type SupplyAudit } from '../src/ledger/accounting.ts'
import { type AppliedBlock, applyBlock } from '../src/ledger/apply-block.ts'
import type { EquivocationChecker } from '../src/ledger/apply-transaction.ts'
import type { BlockInput } from '../src/ledger/begin-block.ts'
import { readAccount } from '../src/ledger/entries.ts'
import { genesisState } from '../src/ledger/genesis.ts'
import { applyChanges, revertChanges, type StateChange, type StateReader } from '../src/ledger/state.ts'
import { encodeTransaction, signTransaction, type TransactionBody } from '../src/ledger/transactions.ts'
import { emptyLtHash, type LtHash, ltHashAdd } from '../src/lthash.ts'
import type { JobModels } from '../src/market/models.ts'
import { unitModel } from '../src/model/synthetic.ts'
import { GRAINS_PER_NCR, presets } from '../src/params/presets.ts'
import type { Params } from '../src/params/types.ts'
import { LANE_BOOTSTRAP, type UnitDescriptor } from '../src/unit/types.ts'

export const CHAIN_ID: Uint8Array = new Uint8Array(32).fill(0xc1)

/** The key pair whose seed is 32 equal bytes; 7 is the faucet. */
export const keysOf = (seed: number): KeyPair => keyPairFromSeed(new Uint8Array(32).fill(seed))
export const FAUCET = keysOf(7)
export const MINER = keysOf(100)
export const OTHER_MINER = keysOf(101)
export const ALICE = keysOf(1)
export const BOB = keysOf(2)

/** Evidence that {@link markChecker} accepts against a key. */
export const evidenceAgainst = (key: Uint8Array): { evidenceA: Uint8Array; evidenceB: Uint8Array } => ({
  evidenceA: Uint8Array.of(1, ...key),
  evidenceB: Uint8Array.of(2, ...key),
})

/** Stands for the header rules: evidence is a mark and the key, the marks must differ. */
export const markChecker: EquivocationChecker = (a, b) => {
  if (a.length !== 33 || b.length !== 33 || a[0] === b[0] || !equalBytes(a.subarray(1), b.subarray(1)))
    throw new ProtocolError('TX_EQUIVOCATION', 'the evidence proves nothing')
  return { minerKey: a.slice(1) }
}

export const TEST_PARAMS: Params = presets.unit

/** The model of the preset `unit`. */
export const MODEL = unitModel()
export const MODEL_HEX: string = bytesToHex(MODEL.modelId)
export const TEST_MODELS: JobModels = new Map([[MODEL_HEX, MODEL.config]])

const ZERO = new Uint8Array(32)
export const BOOTSTRAP_UNIT: UnitDescriptor = {
  lane: LANE_BOOTSTRAP,
  modelId: MODEL.modelId,
  parentId: ZERO,
  jobId: ZERO,
  counter: 0,
}

/** A signed, encoded transaction. */
export function transactionOf(
  keys: KeyPair,
  nonce: bigint,
  body: TransactionBody,
  fee = 1000n,
  chainId: Uint8Array = CHAIN_ID,
): Uint8Array {
  return encodeTransaction(signTransaction({ chainId, nonce, fee, body }, keys))
}

export const transfer = (to: Uint8Array, grains: bigint): TransactionBody => ({ kind: 'transfer', to, grains })

/** A chain of states in memory. The ids and beacons of its blocks are hashes of the branch's name and the height. */
export class TestLedger implements StateReader {
  readonly params: Params
  branch = 0
  readonly entries = new Map<string, Uint8Array>()
  readonly journal: { changes: readonly StateChange[]; before: LtHash }[] = []
  ltHash: LtHash

  constructor(params: Params = TEST_PARAMS) {
    this.params = params
    const genesis = genesisState(params)
    this.#write(genesis.changes)
    this.ltHash = genesis.ltHash
  }

  get height(): number {
    return this.journal.length
  }

  get(key: string): Uint8Array | undefined {
    return this.entries.get(key)
  }

  idAt(height: number): Uint8Array {
    return taggedHash('block', u32le(this.branch), u32le(height))
  }

  /** The next block as a value. */
  input(change: Partial<BlockInput> = {}): BlockInput {
    const height = this.height + 1
    return {
      params: this.params,
      models: TEST_MODELS,
      chainId: CHAIN_ID,
      reader: this,
      ltHash: this.ltHash,
      height,
      parentId: this.idAt(height - 1),
      bits: this.params.difficulty.genesisBits,
      beacon: taggedHash('beacon', u32le(this.branch), u32le(height)),
      unit: BOOTSTRAP_UNIT,
      promptTokens: this.params.units.bootstrapPromptTokens,
      minerKey: MINER.publicKey,
      transactions: [],
      checkEquivocation: markChecker,
      stepModel: () => MODEL,
      ...change,
    }
  }

  /** What the next block would do. Throws what `applyBlock` throws. */
  preview(
    transactions: readonly Uint8Array[] = [],
    miner: KeyPair = MINER,
    change: Partial<BlockInput> = {},
  ): AppliedBlock {
    return applyBlock(this.input({ transactions, minerKey: miner.publicKey, ...change }))
  }

  /** Applies the next block. */
  block(
    transactions: readonly Uint8Array[] = [],
    miner: KeyPair = MINER,
    change: Partial<BlockInput> = {},
  ): AppliedBlock {
    const applied = this.preview(transactions, miner, change)
    this.journal.push({ changes: applied.changes, before: this.ltHash })
    this.#write(applied.changes)
    this.ltHash = applied.ltHash
    return applied
  }

  /** `count` blocks without transactions. */
  blocks(count: number, miner: KeyPair = MINER): void {
    for (let i = 0; i < count; i++) this.block([], miner)
  }

  /** Takes the last block back by its journal, state and LtHash alike. Returns the LtHash that was stored before it. */
  revert(): LtHash {
    const { changes, before } = this.journal.pop()!
    const undo = revertChanges(changes)
    this.#write(undo)
    this.ltHash = applyChanges(this.ltHash, undo)
    return before
  }

  balance(keys: KeyPair): bigint {
    return readAccount(this, accountOf(keys.publicKey)).balance
  }

  nonce(keys: KeyPair): bigint {
    return readAccount(this, accountOf(keys.publicKey)).nonce
  }

  audit(): SupplyAudit {
    return auditSupply(this.entries)
  }

  /** The LtHash computed from all entries instead of from changes. */
  recomputedLtHash(): LtHash {
    let hash = emptyLtHash()
    for (const [key, value] of this.entries) hash = ltHashAdd(hash, new TextEncoder().encode(key), value)
    return hash
  }

  #write(changes: readonly StateChange[]): void {
    for (const { key, before, after } of changes) {
      const now = this.entries.get(key)
      if (now === undefined || before === undefined ? now !== before : !equalBytes(now, before))
        throw new Error(`${key} is not what the change expects`)
      if (after === undefined) this.entries.delete(key)
      else this.entries.set(key, after)
    }
  }
}

/** A ledger at height 1 in which Alice and Bob have 100 NCR each. */
export function funded(params: Params = TEST_PARAMS): TestLedger {
  const ledger = new TestLedger(params)
  const give = 100n * GRAINS_PER_NCR
  ledger.block(
    [ALICE, BOB].map((keys, i) => transactionOf(FAUCET, BigInt(i), transfer(accountOf(keys.publicKey), give))),
  )
  return ledger
}

/** An equivocation transaction that {@link markChecker} accepts. */
export const accuse = (key: Uint8Array): TransactionBody => ({ kind: 'equivocation', ...evidenceAgainst(key) })
