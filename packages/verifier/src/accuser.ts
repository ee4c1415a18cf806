/** AUD-4, AUD-6: from a wrong step to its fraud proof on the chain. */
import type { AccountAgent, FullNode } from '@nacre/node'
import {
  accusationCommitment,
  bytesToHex,
  type FraudProof,
  hexToBytes,
  proofWindow,
  readAccusation,
  readAuditedUnit,
  type StateReader,
  type StepOpening,
  stepOpeningCodec,
} from '@nacre/protocol'

/** Proofs under way, of at most 256 KiB each. */
const MAX_PROOFS = 64
const SALT_BYTES = 32

/**
 * Commits to each proof, waits, shows it, as the state after each tip asks for. A proof is written down before its commitment is sent,
 * and kept until its unit can no longer be audited: a restart or a reorganisation loses none.
 */
export class Accuser {
  readonly #node: FullNode
  readonly #agent: AccountAgent
  readonly #prefix: string
  /** By job, hex. */
  readonly #proofs = new Map<string, FraudProof>()

  constructor(node: FullNode, agent: AccountAgent) {
    this.#node = node
    this.#agent = agent
    this.#prefix = `verifier/${bytesToHex(agent.keys.publicKey)}/fraud/`
    for (const [key, bytes] of node.store.notes(this.#prefix)) {
      const jobId = key.slice(this.#prefix.length)
      const opening = stepOpeningCodec.decode(bytes.slice(SALT_BYTES))
      this.#proofs.set(jobId, {
        kind: 'fraudProof',
        jobId: hexToBytes(jobId),
        salt: bytes.slice(0, SALT_BYTES),
        opening,
      })
    }
  }

  /** @param jobId hex. */
  has(jobId: string): boolean {
    return this.#proofs.has(jobId)
  }

  /** Takes on a step that the check of AUD-4 has found wrong. @param jobId hex. Returns false where there is no room. */
  accuse(jobId: string, opening: StepOpening): boolean {
    if (this.has(jobId)) return true
    if (this.#proofs.size >= MAX_PROOFS) return false
    const salt = this.#node.random.bytes(SALT_BYTES)
    const encoded = stepOpeningCodec.encode(opening)
    const note = new Uint8Array(SALT_BYTES + encoded.length)
    note.set(salt)
    note.set(encoded, SALT_BYTES)
    this.#node.store.setNote(this.#prefix + jobId, note)
    this.#proofs.set(jobId, { kind: 'fraudProof', jobId: hexToBytes(jobId), salt, opening })
    this.look()
    return true
  }

  /** Asks for what the block after the tip may contain. */
  look(): void {
    const { reader, tip } = this.#node.chain
    for (const [jobId, proof] of this.#proofs) {
      const unit = readAuditedUnit(reader, proof.jobId)
      if (unit === undefined) {
        this.#proofs.delete(jobId)
        this.#node.store.dropNote(this.#prefix + jobId)
      } else if (!unit.isCondemned) this.#prove(jobId, proof, tip.header.height + 1)
    }
  }

  #prove(jobId: string, proof: FraudProof, height: number): void {
    const { chain, context } = this.#node
    const sender = this.#agent.keys.publicKey
    const commitment = accusationCommitment(sender, proof)
    const isMoot = (state: StateReader): boolean => readAuditedUnit(state, proof.jobId)?.isCondemned !== false
    const record = readAccusation(chain.reader, sender, commitment)
    if (record === undefined) {
      this.#agent.want({
        key: `accusation/${jobId}`,
        body: { kind: 'accusation', commitment },
        isOver: (state) => isMoot(state) || readAccusation(state, sender, commitment) !== undefined,
      })
      return
    }
    const { first, last } = proofWindow(context.params, record.height)
    if (height < first || height > last) return
    this.#agent.want({
      key: `fraudProof/${jobId}`,
      body: proof,
      isOver: (state, tip) =>
        isMoot(state) || readAccusation(state, sender, commitment) === undefined || tip.header.height >= last,
    })
  }
}
