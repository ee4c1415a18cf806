import {
  decodeByteList,
  encodeOpeningsRequest,
  type FullNode,
  NetworkError,
  type NodeEvents,
  type PeerName,
  REQUEST,
  sleep,
  type TreeNode,
} from '@nacre/node'
import {
  type Block,
  checkStep,
  claimedTask,
  FRAUD_CODES,
  LANE_OPEN,
  modelOfUnit,
  outlineOfUnit,
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
/** Peers asked for one unit's openings. */
const MAX_PEERS_ASKED = 8
/** After so many requests in a row without good openings, a peer is asked only when nobody else is left. */
const MAX_FAILURES = 3
/** A node that has just started may know nobody yet who serves openings: it looks again so often, after this pause. */
const MAX_LOOKS = 4
const LOOK_AGAIN_MS = 2_000
const OPENINGS_TIMEOUT_MS = 10_000
const MAX_OPENINGS_BYTES = (4 << 20) + 65_536
/** Score lost by a peer whose openings do not check. */
const BAD_OPENING_POINTS = 50

type Verdict = NodeEvents['verdict']
type Finding = Pick<Verdict, 'outcome' | 'reason'> & {
  /** No peer that was asked serves openings at all. */
  readonly isUnserved?: boolean
}

/** An opening that is authentic under the trace root and proves that the root commits to a lie (AUD-4). */
class FraudError extends Error {}

/**
 * Samples steps of winning units through openings served by their miners and checks each alone: the path that audits of
 * paid work take. The choice of steps is local randomness, so a miner cannot prepare for it.
 *
 * A verdict is about the unit and has three outcomes:
 * - `right`: somebody's openings hold under the trace root and reproduce every sampled step.
 * - `fraud`: an opening holds under the trace root and its step is wrong (a code of FRAUD_CODES, AUD-4). Only blocks of the best
 *   chain are sampled, and this node has re-executed each of those itself and got the same root (BLK-4). Both cannot be true:
 *   replay or step check of this very node is broken, so it is logged as an error with both facts, and a person has to look.
 * - `unanswered`: nobody gave usable openings. It says nothing about the unit or its miner: anyone can claim the miner's key in
 *   its `status`, so a bad opening counts against the peer that sent it and no one else.
 */
export class Verifier {
  readonly #node: FullNode
  readonly #stepsPerUnit: number
  readonly #waiting: TreeNode[] = []
  /** Requests in a row without good openings, of connected peers. */
  readonly #failures = new Map<PeerName, number>()
  #unsubscribe: (() => void) | undefined
  #active: Promise<void> | undefined
  readonly #abort = new AbortController()
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
    this.#abort.abort()
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
    const { chain, clock, random } = this.#node
    // Openings are served for the best chain only (AUD-3), and only there has this node re-executed every unit.
    // Open work has no trace to open (chapter 12).
    if (!chain.isOnBestChain(at) || block.header.unit.lane === LANE_OPEN) return
    const steps = sampleSteps(random.bytes(32), this.#shapeOf(block), this.#stepsPerUnit)
    const startMs = clock.nowMs()
    let { isUnserved = false, ...finding } = await this.#check(at, block, steps)
    for (let look = 1; look < MAX_LOOKS && isUnserved && !this.#stopped; look++) {
      await sleep(clock, LOOK_AGAIN_MS, this.#abort.signal)
      ;({ isUnserved = false, ...finding } = await this.#check(at, block, steps))
    }
    if (this.#stopped || (finding.outcome === 'unanswered' && !chain.isOnBestChain(at))) return
    const checkMs = clock.nowMs() - startMs
    this.#report({ blockId: at.hex, height: at.header.height, steps: steps.length, ...finding, checkMs })
  }

  #report(verdict: Verdict): void {
    const { log, events } = this.#node
    if (verdict.outcome === 'right') log.info({ event: 'verdict', ...verdict })
    else if (verdict.outcome === 'unanswered') log.warn({ event: 'verdict', ...verdict })
    else {
      const contradiction =
        'a step of this unit is wrong, yet this node re-executed the unit and got the same trace root'
      log.error({ event: 'verdict', ...verdict, contradiction })
    }
    events.emit('verdict', verdict)
  }

  /** Asks one peer after the other until one settles it. */
  async #check(at: TreeNode, block: Block, steps: readonly StepRef[]): Promise<Finding> {
    const reasons: string[] = []
    let isUnserved = true
    for (const peer of this.#peersToAsk(block)) {
      if (this.#stopped) break
      try {
        this.#checkOpenings(block, steps, await this.#request(peer, at.id, steps))
        this.#failures.delete(peer)
        return { outcome: 'right', reason: undefined }
      } catch (error) {
        // Whoever brought it told the truth about the root.
        if (error instanceof FraudError) return { outcome: 'fraud', reason: error.message }
        if (!(error instanceof ProtocolError || error instanceof NetworkError)) throw error
        if (!(error instanceof NetworkError && error.code === 'PROTOCOL_UNSUPPORTED')) isUnserved = false
        if (error instanceof ProtocolError) this.#node.network.penalise(peer, BAD_OPENING_POINTS, error.code)
        this.#failures.set(peer, (this.#failures.get(peer) ?? 0) + 1)
        this.#node.log.debug({ event: 'openings_unusable', blockId: at.hex, peer, error: error.message })
        reasons.push(error.message)
      }
    }
    return { outcome: 'unanswered', reason: summary(reasons), isUnserved }
  }

  /**
   * In turns the next peer that claims to be the unit's miner and any other at random: claims cost nothing, so those who make
   * them must not fill all places. The peers without a claim can answer too, by re-execution (UNT-1).
   */
  #peersToAsk(block: Block): PeerName[] {
    // Those with a claim first.
    const peers = this.#node.peersFor(block.header.minerKey)
    for (const peer of this.#failures.keys()) if (!peers.includes(peer)) this.#failures.delete(peer)
    const isUseless = (peer: PeerName): boolean => (this.#failures.get(peer) ?? 0) >= MAX_FAILURES
    const useful = peers.filter((peer) => !isUseless(peer))
    const useless = peers.filter(isUseless)
    const chosen: PeerName[] = []
    while (chosen.length < MAX_PEERS_ASKED) {
      const rest = useful.length > 0 ? useful : useless
      if (rest.length === 0) break
      const index = chosen.length % 2 === 0 ? 0 : this.#node.random.below(rest.length)
      chosen.push(...rest.splice(index, 1))
    }
    return chosen
  }

  async #request(peer: PeerName, blockId: Uint8Array, steps: readonly StepRef[]): Promise<Uint8Array[]> {
    const answer = await this.#node.network.request(
      peer,
      REQUEST.openings,
      encodeOpeningsRequest({ id: blockId, steps }),
      {
        timeoutMs: OPENINGS_TIMEOUT_MS,
        maxResponseBytes: MAX_OPENINGS_BYTES,
      },
    )
    return decodeByteList(answer, steps.length, MAX_OPENINGS_BYTES, 'openings')
  }

  /**
   * Throws ProtocolError unless there is one opening for each step and each holds under the trace root, FraudError if one does
   * and its step is wrong. Only the step check can tell fraud: the same code from anywhere else is not authenticated.
   */
  #checkOpenings(block: Block, steps: readonly StepRef[], openings: readonly Uint8Array[]): void {
    const { context } = this.#node
    if (openings.length !== steps.length)
      throw new ProtocolError('STEP_OPENING', `${openings.length} openings for ${steps.length} steps`)
    const task = claimedTask(context, block)
    const { model } = modelOfUnit(context, block.header.unit.modelId)
    for (const [i, ref] of steps.entries()) {
      const opening = stepOpeningCodec.decode(openings[i]!)
      if (!isSameStep(opening.ref, ref))
        throw new ProtocolError('STEP_OPENING', 'the opening is of another step than asked for')
      try {
        checkStep({ model, task, traceRoot: block.header.traceRoot, opening })
      } catch (error) {
        if (error instanceof ProtocolError && FRAUD_CODES.has(error.code))
          throw new FraudError(error.message, { cause: error })
        throw error
      }
    }
  }

  #shapeOf(block: Block): TraceShape {
    const { promptTokens, unit } = block.header
    const { config } = outlineOfUnit(this.#node.context, unit.modelId)
    return { promptTokens, newTokens: block.body.tokens.length - promptTokens, dims: config }
  }
}

function isSameStep(a: StepRef, b: StepRef): boolean {
  return a.kind === b.kind && a.layer === b.layer && a.group === b.group && a.position === b.position
}

/** Each reason once, with the number of peers it is true of. */
function summary(reasons: readonly string[]): string {
  if (reasons.length === 0) return 'no peer to ask'
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts].map(([reason, count]) => (count === 1 ? reason : `${reason} (${count} peers)`)).join('; ')
}
