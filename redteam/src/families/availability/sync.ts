/** Peers that answer a node's questions late, in part, wrongly or not at all. */
import { blockCodec, headerCodec } from '@nacre/protocol'
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

const packed = async (items: readonly Uint8Array[]): Promise<Uint8Array> =>
  (await import('../../../../packages/node/src/messages.ts')).encodeByteList(items)

/** An answer that comes late, and still in time. */
const sleepy = ({ net }: Arena, answer: () => Uint8Array): Promise<Uint8Array> =>
  new Promise((resolve) => {
    net.clock.after(3_000, () => resolve(answer()))
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
    run: answers(() => ({ blocks: () => packed([]) })),
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
      (arena) => ({ headers: () => sleepy(arena, () => arena.net.headers('a1 a2 a3 a4')) }),
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
      blocks: () => packed([blockCodec.encode({ ...forge.block('a2'), header: forge.get('a1').header })]),
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
      headers: () => packed([headerCodec.encode(forge.get('a1').header).slice(0, -1)]),
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
]
