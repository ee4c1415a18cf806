/** AUD-8: planted faults of one miner, from the commitment to a secret until the reveal. */
import type { AccountAgent, FullNode } from '@nacre/node'
import {
  bytesToHex,
  commitTrace,
  drawsPlant,
  epochOf,
  equalBytes,
  hasPlants,
  hexToBytes,
  MAX_EPOCH_PLANTERS,
  MAX_PLANTS,
  type Plant,
  plantCommitment,
  plantWindows,
  ROLE_MINER,
  readAuditedUnit,
  readPlanter,
  readPlanters,
  readRegistration,
  type StateReader,
  type Trace,
  type UnitDescriptor,
  unitId,
} from '@nacre/protocol'

/** A job that was executed here for a unit that may be planted; both traces are functions of the job alone. */
export interface PlantedJob {
  /** Epoch of its assignment when it was executed. */
  readonly epoch: number
  readonly honestRoot: Uint8Array
  readonly plantedRoot: Uint8Array
}

const HASH_BYTES = 32
const NOTE_BYTES = 4 + 2 * HASH_BYTES

/**
 * The trace with a fault in every step that ends a layer: the sign of the first value of each row after each layer is another. Any
 * audit of a few drawn steps finds it: what plants measure is whether anybody looks.
 */
export function plantedTrace(trace: Trace): Trace {
  const { dModel } = trace.shape.dims
  const h = trace.h.map((rows, layer) => {
    if (layer === 0) return rows
    const changed = rows.slice()
    for (let at = 0; at < changed.length; at += dModel) changed[at] = changed[at] === 0 ? 1 : -changed[at]!
    return changed
  })
  return { ...trace, h }
}

/**
 * Commits to a secret in the epoch before, plants what it draws, and reveals in its window, as the state after each tip asks for. A
 * secret is written down before anybody sees its commitment, and a plant before its receipt is signed: a restart or a reorganisation leaves none that
 * cannot be revealed (P5).
 */
export class Plants {
  readonly #node: FullNode
  readonly #agent: AccountAgent
  readonly #secretNotes: string
  readonly #jobNotes: string
  readonly #secrets = new Map<number, Uint8Array>()
  /** By job, hex. */
  readonly #jobs = new Map<string, PlantedJob>()
  readonly #isWanted: boolean
  #unsubscribe: (() => void) | undefined

  /** @param isWanted whether to plant from now on; what is planted already is revealed in any case. */
  constructor(node: FullNode, agent: AccountAgent, isWanted: boolean) {
    this.#node = node
    this.#agent = agent
    this.#isWanted = isWanted
    const key = bytesToHex(agent.keys.publicKey)
    this.#secretNotes = `miner/${key}/plant-secret/`
    this.#jobNotes = `miner/${key}/plant/`
    for (const [name, secret] of node.store.notes(this.#secretNotes))
      this.#secrets.set(Number(name.slice(this.#secretNotes.length)), secret.slice())
    for (const [name, note] of node.store.notes(this.#jobNotes)) {
      const job = decodeNote(note)
      if (job === undefined) node.log.error({ event: 'plant_unreadable', name })
      else this.#jobs.set(name.slice(this.#jobNotes.length), job)
    }
  }

  start(): void {
    if (!hasPlants(this.#node.context.params) || this.#unsubscribe !== undefined) return
    this.#unsubscribe = this.#node.events.on('tip', () => this.#look())
    this.#look()
  }

  stop(): void {
    this.#unsubscribe?.()
  }

  /** What was planted in a job's trace. @param jobId hex. */
  of(jobId: string): PlantedJob | undefined {
    return this.#jobs.get(jobId)
  }

  /** The job, hex, whose honest trace has a root: so it is asked for once the unit answers for it. */
  jobOf(honestRoot: Uint8Array): string | undefined {
    for (const [jobId, job] of this.#jobs) if (equalBytes(job.honestRoot, honestRoot)) return jobId
    return undefined
  }

  /** Whether a unit is one that this miner's secret draws, on the branch of the tip. @param openedHeight of its assignment. */
  draws(unit: UnitDescriptor, openedHeight: number): boolean {
    const { context, chain } = this.#node
    const { publicKey } = this.#agent.keys
    const secret = this.#committed(chain.reader, epochOf(context.params, openedHeight))
    return (
      secret !== undefined &&
      drawsPlant(context.params, secret, unitId(unit, publicKey, context.params.bindings.singleUse))
    )
  }

  /** Plants a fault in a drawn unit that was executed here, and writes it down. @param jobId hex. */
  plant(jobId: string, openedHeight: number, trace: Trace, honestRoot: Uint8Array): void {
    const epoch = epochOf(this.#node.context.params, openedHeight)
    const already = [...this.#jobs.values()].filter((job) => job.epoch === epoch).length
    if (!this.#isWanted || already >= MAX_PLANTS) return
    const { traceRoot: plantedRoot } = commitTrace(plantedTrace(trace))
    const job = { epoch, honestRoot, plantedRoot }
    this.#node.store.setNote(this.#jobNotes + jobId, encodeNote(job))
    this.#jobs.set(jobId, job)
    this.#node.log.info({ event: 'fault_planted', jobId, epoch })
  }

  /** The root that the receipt of a unit has: the planted one, if the unit is drawn and a fault was planted for its job. */
  rootOf(unit: UnitDescriptor, openedHeight: number, honestRoot: Uint8Array): Uint8Array {
    const job = this.of(bytesToHex(unit.jobId))
    return job !== undefined && this.draws(unit, openedHeight) ? job.plantedRoot : honestRoot
  }

  #look(): void {
    const { chain, context, isSyncing } = this.#node
    const { params } = context
    if (isSyncing) return
    const height = chain.tip.header.height + 1
    if (this.#isWanted) this.#commit(epochOf(params, height) + 1, height)
    for (const [epoch, secret] of this.#secrets) {
      const { revealFrom, revealEnd, end } = plantWindows(params, epoch)
      if (height >= revealFrom && height < revealEnd) this.#reveal(epoch, secret, revealEnd)
      // No reorganisation that a node takes part in goes back behind maturity.
      if (height < end + params.block.maturityBlocks) continue
      this.#forget(epoch)
    }
  }

  #commit(epoch: number, height: number): void {
    const { chain, context } = this.#node
    const { publicKey } = this.#agent.keys
    const { reader } = chain
    const registration = readRegistration(reader, ROLE_MINER, publicKey)
    if (registration?.unbondingHeight !== 0 || registration.bond < context.params.bonds.minerGrains) return
    if (readPlanter(reader, epoch, publicKey) !== undefined) return
    const last = plantWindows(context.params, epoch).from - 1
    if (height > last || readPlanters(reader, epoch).length >= MAX_EPOCH_PLANTERS) return
    const commitment = plantCommitment(publicKey, epoch, this.#secretFor(epoch))
    this.#agent.want({
      key: `plantCommit/${epoch}`,
      body: { kind: 'plantCommit', epoch, commitment },
      isOver: (state, tip) => readPlanter(state, epoch, publicKey) !== undefined || tip.header.height >= last,
    })
  }

  #reveal(epoch: number, secret: Uint8Array, revealEnd: number): void {
    const { reader } = this.#node.chain
    const { publicKey } = this.#agent.keys
    const planter = readPlanter(reader, epoch, publicKey)
    if (planter === undefined || planter.secret !== undefined || this.#committed(reader, epoch) === undefined) return
    this.#agent.want({
      key: `plantReveal/${epoch}`,
      body: { kind: 'plantReveal', epoch, secret, plants: this.#plantsOf(reader, epoch) },
      isOver: (state, tip) => {
        const now = readPlanter(state, epoch, publicKey)
        return now === undefined || now.secret !== undefined || tip.header.height + 1 >= revealEnd
      },
    })
  }

  /** The planted units of an epoch that are on the chain. */
  #plantsOf(reader: StateReader, epoch: number): Plant[] {
    const { params } = this.#node.context
    return [...this.#jobs].flatMap(([hex, { honestRoot, plantedRoot }]) => {
      const jobId = hexToBytes(hex)
      const unit = readAuditedUnit(reader, jobId)
      const isPlant =
        unit !== undefined &&
        !unit.isCondemned &&
        equalBytes(unit.minerKey, this.#agent.keys.publicKey) &&
        epochOf(params, unit.openedHeight) === epoch &&
        equalBytes(unit.traceRoot, plantedRoot)
      return isPlant ? [{ jobId, traceRoot: honestRoot }] : []
    })
  }

  /** The secret of an epoch, if its commitment is on the chain. */
  #committed(reader: StateReader, epoch: number): Uint8Array | undefined {
    const { publicKey } = this.#agent.keys
    const secret = this.#secrets.get(epoch)
    const planter = readPlanter(reader, epoch, publicKey)
    if (secret === undefined || planter === undefined) return undefined
    return equalBytes(plantCommitment(publicKey, epoch, secret), planter.commitment) ? secret : undefined
  }

  #secretFor(epoch: number): Uint8Array {
    const known = this.#secrets.get(epoch)
    if (known !== undefined) return known
    const secret = this.#node.random.bytes(HASH_BYTES)
    this.#node.store.setNote(this.#noteOf(epoch), secret)
    this.#secrets.set(epoch, secret)
    return secret
  }

  #forget(epoch: number): void {
    const { store } = this.#node
    this.#secrets.delete(epoch)
    store.dropNote(this.#noteOf(epoch))
    for (const [jobId, job] of this.#jobs) {
      if (job.epoch > epoch) continue
      this.#jobs.delete(jobId)
      store.dropNote(this.#jobNotes + jobId)
    }
  }

  #noteOf(epoch: number): string {
    return this.#secretNotes + String(epoch).padStart(10, '0')
  }
}

/** Epoch u32, honest root, planted root. */
function encodeNote({ epoch, honestRoot, plantedRoot }: PlantedJob): Uint8Array {
  const note = new Uint8Array(NOTE_BYTES)
  new DataView(note.buffer).setUint32(0, epoch, true)
  note.set(honestRoot, 4)
  note.set(plantedRoot, 4 + HASH_BYTES)
  return note
}

function decodeNote(note: Uint8Array): PlantedJob | undefined {
  if (note.length !== NOTE_BYTES) return undefined
  const epoch = new DataView(note.buffer, note.byteOffset, 4).getUint32(0, true)
  return { epoch, honestRoot: note.slice(4, 4 + HASH_BYTES), plantedRoot: note.slice(4 + HASH_BYTES) }
}
