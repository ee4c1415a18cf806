/** Peers that answer a node's questions late, in part, wrongly or not at all. */
import { blockCodec, blockId, headerCodec } from '@nacre/protocol'
import { MAX_HEADERS_PER_ANSWER as MOST_HEADERS } from '../../../../packages/node/src/limits-chain.ts'
import { encodeByteList } from '../../../../packages/node/src/messages.ts'
import type { Script } from '../../../../packages/node/test/support/node-net.ts'
import type { Attack, Outcome } from '../../attack.ts'
import { uncheckedIn } from '../../fixtures/mutations.ts'
import { Arena, NOT_ADOPTED } from '../../fixtures/nodes.ts'

const silence = (): Promise<Uint8Array> => new Promise(() => undefined)
/** Virtual milliseconds in which even a silent peer has run into its deadline. */
const LONG_MS = 15_000

type Liar = (arena: Arena) => Script

/** What an honest peer with four blocks answers. */
const honestScript = ({ net, forge }: Arena): Script => ({
  status: () => net.status(forge.get('a4')),
  headers: () => net.headers('a1 a2 a3 a4'),
  blocks: () => net.blocks('a1 a2 a3 a4'),
})

/** A peer that answers as `liar` says has its fault seen; one that answers honestly brings the node to its tip. */
const answers =
  (liar: Liar, fair: Liar = () => ({}), fault = (arena: Arena, peer: string) => arena.penaltyOf(peer)) =>
  async (): Promise<Outcome> => {
    const meet = (script: Liar): Promise<string | undefined> =>
      Arena.run(async (arena) => {
        arena.forge.mine('a1 a2 a3 a4')
        const peer = arena.peer({ ...honestScript(arena), ...script(arena) })
        await arena.net.runFor(LONG_MS)
        const isThere = arena.net.tipOf(arena.victim) === 'a4'
        return fault(arena, peer.self) ?? (isThere ? undefined : NOT_ADOPTED)
      })
    return { attack: await meet(liar), honest: await meet(fair) }
  }

/** An answer that comes late, and still in time. */
const sleepy = ({ net }: Arena, answer: () => Uint8Array, afterMs: number): Promise<Uint8Array> =>
  new Promise((resolve) => {
    net.clock.after(afterMs, () => resolve(answer()))
  })

/** Peers that answer late, as many as a new node has places for. */
const LATE = ['late-0', 'late-1']
const LATE_MS = 9_000
/** By when a peer that came after them has had its turn. */
const TURN_MS = 60_000

/** Headers that lead nowhere, as many as fit, from where the last answer ended. */
function drops({ forge }: Arena): () => Uint8Array {
  const made = forge.get('a1').header
  let [parentId, height] = [forge.genesis.id, 0]
  return () => {
    const headers = Array.from({ length: MOST_HEADERS }, () => {
      const next = { ...made, parentId, height: ++height }
      parentId = blockId(next)
      return headerCodec.encode(next)
    })
    return encodeByteList(headers)
  }
}

const isSlow =
  ({ net }: Arena) =>
  (): Uint8Array =>
    net.headers('a1 a2 a3 a4')

/** A new node meets {@link LATE}, then an honest peer: the fault of the late ones; or none, if they had their effect. */
const catchesUpBeside = (late: (arena: Arena) => () => Uint8Array): Promise<string | undefined> =>
  Arena.run(async (arena) => {
    const { forge, net, victim } = arena
    forge.mine('a1 a2 a3 a4')
    for (const name of LATE) {
      const answer = late(arena)
      const blocks = late === isSlow ? () => net.blocks('a1 a2 a3 a4') : () => encodeByteList([])
      const status = (): Uint8Array => net.status(forge.get('a4'), { totalWork: 1n << 200n })
      arena.peer({ status, headers: () => sleepy(arena, answer, LATE_MS), blocks }, name)
    }
    await net.runFor(100)
    arena.peer(honestScript(arena), 'fair')
    const isThere = await net.clock.runUntil(() => net.tipOf(victim) === 'a4', {
      maxTimeMs: net.clock.nowMs() + TURN_MS,
    })
    return isThere ? arena.penaltyOf(LATE[0]!) : undefined
  })

const sync = (from: string, to: string) => uncheckedIn('node', 'sync/sync.ts', from, to)

export const requests: readonly Attack[] = [
  {
    id: 'availability/withholds-announced-blocks',
    actor: 'peer',
    targets: 'P9',
    story: 'Shows the headers of a heavier branch and keeps its blocks, to hold the node up.',
    on: 'nodes',
    rule: 'NET-4',
    code: 'BLOCKS_WITHHELD',
    check: sync(
      "if (accepted === 0) throw new PeerFault('BLOCKS_WITHHELD', 'the peer has none of the blocks it announced')",
      'if (accepted === 0) return',
    ),
    run: answers(() => ({ blocks: () => encodeByteList([]) })),
  },
  {
    id: 'availability/selective-answers',
    actor: 'peer',
    targets: 'P9',
    story:
      'Answers a request for blocks with others that are valid too, so that the node never gets those that it lacks.',
    on: 'nodes',
    rule: 'NET-4',
    code: 'BLOCK_NOT_ASKED_FOR',
    check: sync('!equalBytes(blockId(block.header), pending.id)', 'false'),
    run: answers(({ net }) => ({ blocks: () => net.blocks('a1 a1 a1 a1') })),
  },
  {
    id: 'availability/never-answers',
    actor: 'peer',
    targets: 'P9',
    story:
      'Claims more work and lets the request for headers run into its deadline. A slow peer that answers in time is not blamed.',
    on: 'nodes',
    rule: 'NET-4',
    code: 'TIMEOUT',
    check: sync("if (error.code === 'TIMEOUT')", 'if (false)'),
    run: answers(
      () => ({ headers: silence }),
      (arena) => ({ headers: () => sleepy(arena, isSlow(arena), 3_000) }),
    ),
  },
  {
    id: 'availability/headers-with-gaps',
    actor: 'peer',
    targets: 'P9',
    story: 'Leaves headers out, so that the branch looks complete and can never be fetched.',
    on: 'nodes',
    rule: 'NET-4',
    code: 'HEADERS_UNCONNECTED',
    check: sync('if (last !== undefined && !equalBytes(header.parentId, last))', 'if (false)'),
    run: answers(({ net }) => ({ headers: () => net.headers('a1 a3 a4') })),
  },
  {
    id: 'availability/partial-block',
    actor: 'peer',
    targets: 'P8',
    story: 'Sends the header that was asked for with the body of another block.',
    on: 'nodes',
    rule: 'BLK-1',
    code: 'BLOCK_BODY_ROOT',
    check: uncheckedIn('protocol', 'block/validate-body.ts', 'equalBytes(bodyRoot(body), header.bodyRoot)', 'true'),
    run: answers(({ forge }) => ({
      blocks: () => encodeByteList([blockCodec.encode({ ...forge.block('a2'), header: forge.get('a1').header })]),
    })),
  },
  {
    id: 'availability/cut-header',
    actor: 'peer',
    targets: 'P8',
    story: 'Answers with a header that ends a byte too early.',
    on: 'nodes',
    rule: 'CNV-1',
    code: 'CODEC_MALFORMED',
    check: sync('headerCodec.decode(bytes),', 'headerCodec.decode(Uint8Array.of(...bytes, 0)),'),
    run: answers(({ forge }) => ({
      headers: () => encodeByteList([headerCodec.encode(forge.get('a1').header).slice(0, -1)]),
    })),
  },
  {
    id: 'availability/oversized-answer',
    actor: 'peer',
    targets: 'P8',
    story: 'Answers a request for headers with two mebibytes, for the node to hold in memory.',
    on: 'nodes',
    rule: 'NET-3',
    code: 'TOO_LARGE',
    check: uncheckedIn('node', 'adapters/memory-peer.ts', 'answer.bytes.length > options.maxResponseBytes', 'false'),
    run: answers(
      () => ({ headers: () => new Uint8Array(2 << 20) }),
      undefined,
      (arena, peer) => arena.interruptionOf(peer),
    ),
  },
  {
    id: 'availability/oversized-greeting',
    actor: 'peer',
    targets: 'P8',
    story: 'Greets with a status of two kilobytes where a hundred bytes say all.',
    on: 'nodes',
    rule: 'CNV-7',
    code: 'CODEC_TOO_LARGE',
    check: uncheckedIn('node', 'bounded-msgpack.ts', 'bytes.length <= maxBytes', 'true'),
    run: answers(() => ({ status: () => new Uint8Array(2048) })),
  },
  {
    id: 'availability/greeting-with-a-tail',
    actor: 'peer',
    targets: 'P8',
    story:
      'Greets with a good status and one more byte after its end, which another reader may understand differently.',
    on: 'nodes',
    rule: 'CNV-1',
    code: 'CODEC_TRAILING_BYTES',
    check: uncheckedIn('node', 'bounded-msgpack.ts', 'end === bytes.length', 'true'),
    run: answers(({ net, forge }) => ({ status: () => Uint8Array.of(...net.status(forge.get('a4')), 0) })),
  },
  {
    id: 'availability/headers-by-the-drop',
    actor: 'coalition',
    targets: 'P9',
    story:
      'As many peers as a new node has places for answer with made-up headers, each answer as late as allowed, and never end, so that nobody else gets a turn. Slow peers that are honest are not blamed.',
    on: 'nodes',
    rule: 'NET-4',
    code: 'BLOCKS_WITHHELD',
    check: sync('this.#clock.nowMs() >= endMs && this.#waiting.length > 0', 'false'),
    run: async () => ({ attack: await catchesUpBeside(drops), honest: await catchesUpBeside(isSlow) }),
  },
]
