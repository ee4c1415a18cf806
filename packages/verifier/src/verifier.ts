import {
  decodeByteList,
  encodeOpeningsRequest,
  type FullNode,
  NetworkError,
  type PeerName,
  REQUEST,
  type TreeNode,
} from '@nacre/node'
import {
  assignedTask,
  type Block,
  checkStep,
  ProtocolError,
  type StepRef,
  sampleSteps,
  stepOpeningCodec,
  type TraceShape,
} from '@nacre/protocol'

export interface VerifierOptions {
  readonly node: FullNode
  /** Steps opened per unit (AUD-2 has 16). */
  readonly stepsPerUnit: number
}

/** Blocks that may wait to be sampled; older ones are skipped, they were re-executed in any case. */
const MAX_WAITING = 32
/** Peers asked for one unit's openings, its miner first. */
const MAX_PEERS_ASKED = 3
const OPENINGS_TIMEOUT_MS = 10_000
const MAX_OPENINGS_BYTES = (4 << 20) + 65_536
/** Score lost by a peer whose openings do not check. */
const BAD_OPENING_POINTS = 50

/**
 * Samples steps of winning units through openings served by their miners and checks each alone: the path that audits of
 * paid work take. The choice of steps is local randomness, so a miner cannot prepare for it.
 */
export class Verifier {
  readonly #node: FullNode
  readonly #stepsPerUnit: number
  readonly #waiting: TreeNode[] = []
  #unsubscribe: (() => void) | undefined
  #active: Promise<void> | undefined
  #stopped = false

  constructor(options: VerifierOptions) {
    this.#node = options.node
    this.#stepsPerUnit = options.stepsPerUnit
  }

  start(): void {
    this.#unsubscribe = this.#node.events.on('block', ({ node }) => {
      this.#waiting.push(node)
      if (this.#waiting.length > MAX_WAITING) this.#waiting.shift()
      this.#resume()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe?.()
    this.#waiting.length = 0
    await this.#active
  }

  #resume(): void {
    this.#active ??= this.#work().finally(() => {
      this.#active = undefined
      if (this.#waiting.length > 0) this.#resume()
    })
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined && !this.#stopped; next = this.#waiting.shift()) {
      try {
        const block = this.#node.chain.block(next)
        if (block !== undefined) await this.#sample(next, block)
      } catch (error) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
        this.#node.log.error({ event: 'internal_error', blockId: next.hex, error: text })
      }
    }
  }

  async #sample(at: TreeNode, block: Block): Promise<void> {
    const { clock, random, log, events } = this.#node
    const shape = this.#shapeOf(block)
    const steps = sampleSteps(random.bytes(32), shape, this.#stepsPerUnit)
    const startMs = clock.nowMs()
    const reason = await this.#check(at, block, steps)
    if (this.#stopped) return
    const checkMs = clock.nowMs() - startMs
    const verdict = {
      blockId: at.hex,
      height: at.header.height,
      steps: steps.length,
      ok: reason === undefined,
      checkMs,
      reason,
    }
    if (reason === undefined) log.info({ event: 'verdict', ...verdict })
    else log.warn({ event: 'verdict', ...verdict })
    events.emit('verdict', verdict)
  }

  /** Undefined if all sampled steps check, otherwise why not. */
  async #check(at: TreeNode, block: Block, steps: readonly StepRef[]): Promise<string | undefined> {
    const peers = this.#node.peersFor(block.header.minerKey).slice(0, MAX_PEERS_ASKED)
    let reason = 'no peer to ask'
    for (const peer of peers) {
      try {
        this.#checkOpenings(block, steps, await this.#request(peer, at.id, steps))
        return undefined
      } catch (error) {
        if (error instanceof ProtocolError) {
          this.#node.network.penalise(peer, BAD_OPENING_POINTS, error.code)
          reason = error.message
        } else if (error instanceof NetworkError) {
          reason = error.message
        } else {
          throw error
        }
      }
    }
    return reason
  }

  async #request(peer: PeerName, blockId: Uint8Array, steps: readonly StepRef[]): Promise<Uint8Array[]> {
    const answer = await this.#node.network.request(peer, REQUEST.openings, encodeOpeningsRequest({ blockId, steps }), {
      timeoutMs: OPENINGS_TIMEOUT_MS,
      maxResponseBytes: MAX_OPENINGS_BYTES,
    })
    return decodeByteList(answer, steps.length, MAX_OPENINGS_BYTES, 'openings')
  }

  /** Throws ProtocolError unless there is one opening for each step and each reproduces its committed output. */
  #checkOpenings(block: Block, steps: readonly StepRef[], openings: readonly Uint8Array[]): void {
    const { context } = this.#node
    if (openings.length !== steps.length)
      throw new ProtocolError('STEP_OPENING', `${openings.length} openings for ${steps.length} steps`)
    const task = assignedTask(context, block.header)
    for (const [i, ref] of steps.entries()) {
      const opening = stepOpeningCodec.decode(openings[i]!)
      if (!isSameStep(opening.ref, ref))
        throw new ProtocolError('STEP_OPENING', 'the opening is of another step than asked for')
      checkStep({ model: context.bootstrap.model, task, traceRoot: block.header.traceRoot, opening })
    }
  }

  #shapeOf(block: Block): TraceShape {
    const { params, bootstrap } = this.#node.context
    const promptTokens = params.units.bootstrapPromptTokens
    return { promptTokens, newTokens: block.body.tokens.length - promptTokens, dims: bootstrap.model.config }
  }
}

function isSameStep(a: StepRef, b: StepRef): boolean {
  return a.kind === b.kind && a.layer === b.layer && a.group === b.group && a.position === b.position
}
