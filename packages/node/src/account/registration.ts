/** Registers a key once it can pay for it (ECO-1). */
import {
  isBarred,
  type Registration,
  ROLE_MINER,
  type Role,
  readRegistration,
  type StateReader,
  type TransactionBody,
} from '@nacre/protocol'
import type { FullNode } from '../node.ts'
import type { AccountAgent } from './account-agent.ts'

/** What the operator is waiting for. Grains are decimal strings. */
export type RegistrationView =
  /** Not registered, and not asked to register. */
  | { readonly state: 'off' }
  /** The matured balance does not cover bond and fees. */
  | { readonly state: 'waiting-for-funds'; readonly neededGrains: string; readonly spendableGrains: string }
  | { readonly state: 'sent' }
  | { readonly state: 'active'; readonly bondGrains: string; readonly registeredHeight: number }
  | { readonly state: 'unbonding'; readonly returnsHeight: number }
  /** Forfeited for good: no transaction of this key helps. */
  | { readonly state: 'barred' }

export interface RegistrationOptions {
  readonly node: FullNode
  readonly agent: AccountAgent
  readonly role: Role
  /** False: only tells how the key stands. */
  readonly isWanted: boolean
  /** Asks the bond back, once; it returns after `bonds.unbondingBlocks`. Not together with `isWanted`. */
  readonly isLeaving?: boolean
  /** Transactions that must still be affordable besides the bond and its own fee. */
  readonly reserveTransactions: number
}

/**
 * Keeps a key registered from the moment on at which its matured balance covers the bond and some fees, or asks its bond back. If
 * somebody else asks it back with this key, it does not register again: that is a person's wish.
 */
export class RegistrationKeeper {
  readonly #options: RegistrationOptions
  #unsubscribe: (() => void) | undefined
  #wasUnbonded = false

  constructor(options: RegistrationOptions) {
    this.#options = options
  }

  start(): void {
    this.#unsubscribe ??= this.#options.node.events.on('tip', () => this.#look())
    this.#look()
  }

  stop(): void {
    this.#unsubscribe?.()
  }

  get view(): RegistrationView {
    const { agent, isWanted } = this.#options
    const { reader } = this.#options.node.chain
    const registration = this.#read(reader)
    if (isBarred(reader, agent.keys.publicKey)) return { state: 'barred' }
    if (registration !== undefined) {
      const { bond, registeredHeight, unbondingHeight } = registration
      if (unbondingHeight > 0) return { state: 'unbonding', returnsHeight: unbondingHeight }
      return { state: 'active', bondGrains: bond.toString(), registeredHeight }
    }
    if (!isWanted || this.#wasUnbonded) return { state: 'off' }
    if (agent.waiting.some(({ key, transactionId }) => key === this.#body.kind && transactionId !== undefined))
      return { state: 'sent' }
    const spendable = agent.spendable()
    return {
      state: 'waiting-for-funds',
      neededGrains: this.#neededGrains.toString(),
      spendableGrains: spendable.toString(),
    }
  }

  #look(): void {
    const { node, agent, isWanted, isLeaving = false } = this.#options
    const { reader } = node.chain
    const registration = this.#read(reader)
    if (registration !== undefined && registration.unbondingHeight > 0) this.#wasUnbonded = true
    if (node.isSyncing) return
    if (isLeaving && registration?.unbondingHeight === 0) this.#leave()
    if (!isWanted || this.#wasUnbonded) return
    if (registration !== undefined || isBarred(reader, agent.keys.publicKey)) return
    if (agent.spendable() < this.#neededGrains) return
    agent.want({
      key: this.#body.kind,
      body: this.#body,
      isOver: (state) => this.#read(state) !== undefined || isBarred(state, agent.keys.publicKey),
    })
  }

  #leave(): void {
    const { agent, role } = this.#options
    agent.want({
      key: 'unbond',
      body: { kind: 'unbond', role },
      isOver: (state) => this.#read(state)?.unbondingHeight !== 0,
    })
  }

  #read(reader: StateReader): Registration | undefined {
    return readRegistration(reader, this.#options.role, this.#options.agent.keys.publicKey)
  }

  get #body(): TransactionBody {
    return { kind: this.#options.role === ROLE_MINER ? 'minerRegister' : 'verifierRegister' }
  }

  get #neededGrains(): bigint {
    const { node, role, reserveTransactions } = this.#options
    const { bonds, fees } = node.context.params
    const bond = role === ROLE_MINER ? bonds.minerGrains : bonds.verifierGrains
    return bond + fees.minTransactionGrains * BigInt(1 + reserveTransactions)
  }
}
