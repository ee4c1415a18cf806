/** AUD-1: the secrets of one verifier, from their commitment to their revelation. */
import type { AccountAgent, FullNode } from '@nacre/node'
import {
  type Auditor,
  bytesToHex,
  epochOf,
  epochWindows,
  equalBytes,
  ROLE_VERIFIER,
  readAuditor,
  readAuditors,
  readRegistration,
  type StateReader,
  secretCommitment,
} from '@nacre/protocol'

/**
 * Commits to a secret in the epoch before and reveals it in its window, as the state after each tip asks for. A secret is written down
 * before anybody sees its commitment, so that a restart or a reorganisation never leaves one that cannot be revealed.
 */
export class EpochSecrets {
  readonly #node: FullNode
  readonly #agent: AccountAgent
  readonly #prefix: string
  readonly #secrets = new Map<number, Uint8Array>()
  /** Epochs whose commitment on the chain is of no secret that is here. */
  readonly #lost = new Set<number>()

  constructor(node: FullNode, agent: AccountAgent) {
    this.#node = node
    this.#agent = agent
    this.#prefix = `verifier/${bytesToHex(agent.keys.publicKey)}/secret/`
    for (const [key, secret] of node.store.notes(this.#prefix))
      this.#secrets.set(Number(key.slice(this.#prefix.length)), secret.slice())
  }

  /** The secret by which this verifier audits the units of an epoch: undefined without a commitment to it on the chain. */
  of(epoch: number): Uint8Array | undefined {
    const auditor = this.#auditor(this.#node.chain.reader, epoch)
    const secret = this.#secrets.get(epoch)
    return secret !== undefined && auditor !== undefined && this.#isOf(epoch, secret, auditor) ? secret : undefined
  }

  /** Asks for what the block after the tip may contain. */
  look(): void {
    const { context, chain, store } = this.#node
    const { params } = context
    const height = chain.tip.header.height + 1
    this.#commit(epochOf(params, height) + 1, height)
    for (const [epoch, secret] of this.#secrets) {
      const { revealFrom, revealEnd, end } = epochWindows(params, epoch)
      if (height >= revealFrom && height < revealEnd) this.#reveal(epoch, secret, revealEnd)
      // No reorganisation that a node takes part in goes back behind maturity.
      if (height < end + params.block.maturityBlocks) continue
      this.#secrets.delete(epoch)
      store.dropNote(this.#noteOf(epoch))
    }
  }

  #commit(epoch: number, height: number): void {
    const { context, chain } = this.#node
    const { bonds, audits } = context.params
    const { reader } = chain
    const registration = readRegistration(reader, ROLE_VERIFIER, this.#agent.keys.publicKey)
    if (registration?.unbondingHeight !== 0 || 2n * registration.bond < bonds.verifierGrains) return
    if (this.#auditor(reader, epoch) !== undefined || readAuditors(reader, epoch).length >= audits.maxVerifiers) return
    const commitment = secretCommitment(this.#agent.keys.publicKey, epoch, this.#secretFor(epoch))
    const last = epochWindows(context.params, epoch).from - 1
    if (height > last) return
    this.#agent.want({
      key: `verifierCommit/${epoch}`,
      body: { kind: 'verifierCommit', epoch, commitment },
      isOver: (state, tip) => this.#auditor(state, epoch) !== undefined || tip.header.height >= last,
    })
  }

  #reveal(epoch: number, secret: Uint8Array, revealEnd: number): void {
    const auditor = this.#auditor(this.#node.chain.reader, epoch)
    if (auditor === undefined || auditor.secret !== undefined) return
    if (!this.#isOf(epoch, secret, auditor)) {
      // Another copy of this key's node has committed to one of its own.
      if (!this.#lost.has(epoch)) this.#node.log.error({ event: 'audit_secret_unknown', epoch })
      this.#lost.add(epoch)
      return
    }
    this.#agent.want({
      key: `verifierReveal/${epoch}`,
      body: { kind: 'verifierReveal', epoch, secret },
      isOver: (state, tip) => {
        const now = this.#auditor(state, epoch)
        return now === undefined || now.secret !== undefined || tip.header.height + 1 >= revealEnd
      },
    })
  }

  #secretFor(epoch: number): Uint8Array {
    const known = this.#secrets.get(epoch)
    if (known !== undefined) return known
    const secret = this.#node.random.bytes(32)
    this.#node.store.setNote(this.#noteOf(epoch), secret)
    this.#secrets.set(epoch, secret)
    return secret
  }

  #noteOf(epoch: number): string {
    return this.#prefix + String(epoch).padStart(10, '0')
  }

  #auditor(reader: StateReader, epoch: number): Auditor | undefined {
    return readAuditor(reader, epoch, this.#agent.keys.publicKey)
  }

  #isOf(epoch: number, secret: Uint8Array, { commitment }: Auditor): boolean {
    return equalBytes(secretCommitment(this.#agent.keys.publicKey, epoch, secret), commitment)
  }
}
