/** AUD-4, AUD-5, AUD-6: from a wrong step or a false verdict to its proof on the chain. */
import type { AccountAgent, FullNode } from '@nacre/node'
import {
  type AuditedUnit,
  accusationCommitment,
  bytesToHex,
  epochOf,
  equalBytes,
  type FraudProof,
  hexToBytes,
  mayJoinFinders,
  type Params,
  ProtocolError,
  proofWindow,
  readAccusation,
  readAuditedUnit,
  readAuditor,
  readSuspicion,
  readVerdicts,
  type StateReader,
  type StepOpening,
  stepOpeningCodec,
  type VerdictProof,
} from '@nacre/protocol'

/** Proofs under way, of at most 256 KiB each, and how many of them may be about verdicts: fraud always has room. */
const MAX_PROOFS = 64
const MAX_DISPUTES = 32
const SALT_BYTES = 32
const ID_BYTES = 32
const HEAD_BYTES = SALT_BYTES + 2 * ID_BYTES

/** Whom a proof is about, besides the job: the verifier of a false verdict, and the index of the step in its audit. */
export interface FalseVerdict {
  /** Public key. */
  readonly verifier: Uint8Array
  readonly step: number
}

interface Accused {
  readonly proof: FraudProof | VerdictProof
  /** Of the unit that the proof is about: a reorganisation may deliver another one for the job, about which it says nothing. */
  readonly unitId: Uint8Array
  /** That its opening leads to: of the receipt, or of the honest trace of a plant (AUD-8). */
  readonly traceRoot: Uint8Array
}

/**
 * Commits to each proof, waits, shows it, as the state after each tip asks for. A proof is written down before its commitment is sent,
 * and kept until its unit can no longer be audited: a restart or a reorganisation loses none.
 */
export class Accuser {
  readonly #node: FullNode
  readonly #agent: AccountAgent
  readonly #prefix: string
  /** By their names: `fraud/<job>`, `verdict/<job>/<verifier>/<step>`, all hex. */
  readonly #accused = new Map<string, Accused>()

  constructor(node: FullNode, agent: AccountAgent) {
    this.#node = node
    this.#agent = agent
    this.#prefix = `verifier/${bytesToHex(agent.keys.publicKey)}/proof/`
    for (const [key, bytes] of node.store.notes(this.#prefix)) {
      const name = key.slice(this.#prefix.length)
      try {
        this.#accused.set(name, decodeNote(name, bytes))
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        // Found again if it is still there: nothing has been lost but this copy.
        node.log.error({ event: 'proof_unreadable', name, code: error.code })
        node.store.dropNote(key)
      }
    }
  }

  /** Whether a fraud proof is under way. @param jobId hex. */
  has(jobId: string): boolean {
    return this.#accused.has(`fraud/${jobId}`)
  }

  /** Whether a proof is under way against a verdict of a verifier in an epoch. @param verifier public key. */
  disputesIn(epoch: number, verifier: Uint8Array): boolean {
    const { chain, context } = this.#node
    return this.#disputes().some(({ jobId, verifier: accused }) => {
      if (!equalBytes(accused, verifier)) return false
      const unit = readAuditedUnit(chain.reader, jobId)
      return unit !== undefined && epochOf(context.params, unit.receiptHeight) === epoch
    })
  }

  /**
   * Takes on a step that the check of AUD-4 has found wrong. @param jobId hex. @param unit with the root that the opening leads to.
   * Returns false where there is no room.
   */
  accuse(jobId: string, { unitId, traceRoot }: AuditedUnit, opening: StepOpening): boolean {
    const proof = { kind: 'fraudProof', jobId: hexToBytes(jobId), salt: this.#salt(), opening } as const
    return this.#take(`fraud/${jobId}`, { proof, unitId, traceRoot })
  }

  /** Takes on a verdict that a step of its audit shows to be false (AUD-5). @param jobId hex. Returns false where there is no room. */
  dispute(
    jobId: string,
    { unitId, traceRoot }: AuditedUnit,
    { verifier, step }: FalseVerdict,
    opening: StepOpening,
  ): boolean {
    if (this.#disputes().length >= MAX_DISPUTES) this.#dropMoot()
    if (this.#disputes().length >= MAX_DISPUTES) return false
    const salt = this.#salt()
    const proof = { kind: 'verdictProof', jobId: hexToBytes(jobId), verifier, step, salt, opening } as const
    return this.#take(`verdict/${jobId}/${bytesToHex(verifier)}/${step}`, { proof, unitId, traceRoot })
  }

  /** Asks for what the block after the tip may contain. */
  look(): void {
    const { reader, tip } = this.#node.chain
    for (const [name, accused] of this.#accused) {
      const unit = readAuditedUnit(reader, accused.proof.jobId)
      if (unit === undefined || !isAbout(reader, unit, accused)) {
        this.#accused.delete(name)
        this.#node.store.dropNote(this.#prefix + name)
      } else if (!isMoot(this.#node.context.params, reader, this.#agent.keys.publicKey, accused))
        this.#prove(name, accused, unit.receiptHeight, tip.header.height + 1)
    }
  }

  #disputes(): VerdictProof[] {
    return [...this.#accused.values()].flatMap(({ proof }) => (proof.kind === 'verdictProof' ? [proof] : []))
  }

  #salt(): Uint8Array {
    return this.#node.random.bytes(SALT_BYTES)
  }

  #take(name: string, accused: Accused): boolean {
    const known = this.#accused.get(name)
    // A plant's proof is of no use any more once the unit answers for another trace.
    if (known !== undefined && equalBytes(known.traceRoot, accused.traceRoot)) return true
    if (known === undefined && this.#accused.size >= MAX_PROOFS) this.#dropMoot()
    if (known === undefined && this.#accused.size >= MAX_PROOFS) return false
    this.#node.store.setNote(this.#prefix + name, encodeNote(accused))
    this.#accused.set(name, accused)
    this.look()
    return true
  }

  /** What has been proven is kept only in case of a reorganisation: it gives way where there is no room. */
  #dropMoot(): void {
    const { chain, context, store } = this.#node
    for (const [name, accused] of this.#accused) {
      if (!isMoot(context.params, chain.reader, this.#agent.keys.publicKey, accused)) continue
      this.#accused.delete(name)
      store.dropNote(this.#prefix + name)
    }
  }

  #prove(name: string, accused: Accused, receiptHeight: number, height: number): void {
    const { chain, context } = this.#node
    const { params } = context
    const { proof } = accused
    const sender = this.#agent.keys.publicKey
    const commitment = accusationCommitment(sender, proof)
    const record = readAccusation(chain.reader, sender, commitment)
    if (record === undefined) {
      this.#agent.want({
        key: `accusation/${name}`,
        body: { kind: 'accusation', commitment },
        isOver: (state) =>
          isMoot(params, state, sender, accused) || readAccusation(state, sender, commitment) !== undefined,
      })
      return
    }
    const { first, last } = proofWindow(params, record.height, proof.kind === 'fraudProof' ? receiptHeight : 0)
    if (height < first || height > last) return
    this.#agent.want({
      key: `proof/${name}`,
      body: proof,
      isOver: (state, tip) =>
        isMoot(params, state, sender, accused) ||
        readAccusation(state, sender, commitment) === undefined ||
        tip.header.height >= last,
    })
  }
}

/** Whether a proof is about what the state has: a miner can sign two receipts of one unit, and each branch may have another of them. */
function isAbout(reader: StateReader, unit: AuditedUnit, { proof, unitId, traceRoot }: Accused): boolean {
  const honestRoot = readSuspicion(reader, proof.jobId)?.honestRoot
  const isRoot =
    equalBytes(unit.traceRoot, traceRoot) || (honestRoot !== undefined && equalBytes(honestRoot, traceRoot))
  return isRoot && equalBytes(unit.unitId, unitId)
}

/** Whether the state after a tip has nothing that the proof could change. */
function isMoot(params: Params, reader: StateReader, sender: Uint8Array, accused: Accused): boolean {
  const { proof, traceRoot } = accused
  const unit = readAuditedUnit(reader, proof.jobId)
  if (unit === undefined || !isAbout(reader, unit, accused)) return true
  if (proof.kind === 'fraudProof') return unit.isCondemned || isFound(params, reader, sender, proof, unit, traceRoot)
  const { verifier, jobId } = proof
  const hasPlace = readAuditor(reader, epochOf(params, unit.receiptHeight), verifier)?.secret !== undefined
  return !hasPlace || !readVerdicts(reader, jobId).some((each) => equalBytes(each.verifier, verifier))
}

/** AUD-8: a unit that may be a plant is suspected already, by this key, or by another whose proof this one would seem to copy. */
function isFound(
  params: Params,
  reader: StateReader,
  sender: Uint8Array,
  proof: FraudProof,
  unit: AuditedUnit,
  traceRoot: Uint8Array,
): boolean {
  const suspicion = readSuspicion(reader, proof.jobId)
  if (suspicion === undefined) return false
  if (suspicion.honestRoot !== undefined) return !equalBytes(suspicion.honestRoot, traceRoot)
  const own = readAccusation(reader, sender, accusationCommitment(sender, proof))
  return own === undefined || !mayJoinFinders(params, reader, unit, suspicion, sender, own.height)
}

/** Salt, unit id, root, opening; the name says the rest. */
function encodeNote({ proof, unitId, traceRoot }: Accused): Uint8Array {
  const opening = stepOpeningCodec.encode(proof.opening)
  const note = new Uint8Array(HEAD_BYTES + opening.length)
  note.set(proof.salt)
  note.set(unitId, SALT_BYTES)
  note.set(traceRoot, SALT_BYTES + ID_BYTES)
  note.set(opening, HEAD_BYTES)
  return note
}

/** Throws CODEC_*. */
function decodeNote(name: string, bytes: Uint8Array): Accused {
  const [kind, job, verifier, step] = name.split('/')
  const jobId = hexToBytes(job!)
  const salt = bytes.slice(0, SALT_BYTES)
  const unitId = bytes.slice(SALT_BYTES, SALT_BYTES + ID_BYTES)
  const traceRoot = bytes.slice(SALT_BYTES + ID_BYTES, HEAD_BYTES)
  const opening = stepOpeningCodec.decode(bytes.slice(HEAD_BYTES))
  const proof: FraudProof | VerdictProof =
    kind === 'fraud'
      ? { kind: 'fraudProof', jobId, salt, opening }
      : { kind: 'verdictProof', jobId, verifier: hexToBytes(verifier!), step: Number(step), salt, opening }
  return { proof, unitId, traceRoot }
}
