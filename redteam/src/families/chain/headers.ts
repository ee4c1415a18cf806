/** Headers that say what suits their maker: times, targets, heights, states. */
import {
  bitsFromTarget,
  bodyRoot,
  type ConsensusContext,
  createContext,
  overrideParams,
  presets,
  unitCorpus,
  unitModel,
} from '@nacre/protocol'
import { keysOf as ledgerKeys } from '../../../../packages/protocol/test/ledger-fixture.ts'
import type { Attack, Outcome } from '../../attack.ts'
import { unchecked } from '../../fixtures/mutations.ts'
import { Arena, NOT_ADOPTED } from '../../fixtures/nodes.ts'

type Change = Parameters<Arena['forge']['tamper']>[2]

/** On a1, a2 with one field changed and signed again is refused, then a2 as it was becomes the tip. */
const changes =
  (change: (arena: Arena) => Change, context?: () => Promise<ConsensusContext>, afterMs?: number) =>
  (): Promise<Outcome> =>
    Arena.run(async (arena) => {
      arena.forge.mine('a1 a2', 'genesis', afterMs === undefined ? {} : { afterMs })
      await arena.give('a1')
      const attack = await arena.offered(arena.forge.tamper('x2', 'a2', change(arena)))
      return { attack, honest: await arena.offered(arena.forge.block('a2')) }
    }, context)

const flip = (bytes: Uint8Array): Uint8Array => bytes.with(0, bytes[0]! ^ 1)
const header = (path: string) => unchecked('block/validate-header.ts', path)

const withLines =
  (...lines: string[]) =>
  async (): Promise<ConsensusContext> => {
    const { easyParams } = await import('../../../../packages/protocol/test/chain-fixture.ts')
    return createContext(overrideParams(easyParams, lines), unitModel(), unitCorpus())
  }
/** Milliseconds after genesis at which blocks may begin in the attack on the launch. */
const LAUNCH_MS = 1_000_000

export const headers: readonly Attack[] = [
  {
    id: 'chain/minimum-difficulty',
    actor: 'miner',
    targets: 'P1',
    story: 'Writes the easiest target there is into its header and needs one hash for a block.',
    on: 'nodes',
    rule: 'BLK-6',
    code: 'BLOCK_BITS',
    check: header('header.bits === bits'),
    run: changes(
      () => ({ bits: presets.unit.difficulty.maxTargetBits }),
      async () => createContext(presets.unit, unitModel(), unitCorpus()),
    ),
  },
  {
    id: 'chain/time-before-the-median',
    actor: 'miner',
    targets: 'P9',
    story: 'Dates its block before the median of its ancestors, to make later blocks look late and the target rise.',
    on: 'nodes',
    rule: 'BLK-6',
    code: 'BLOCK_TIME_TOO_OLD',
    check: header('header.timeMs > median'),
    run: changes(({ forge }) => ({ timeMs: forge.genesis.header.timeMs })),
  },
  {
    id: 'chain/time-from-the-future',
    actor: 'miner',
    targets: 'P9',
    story: 'Dates its block hours ahead, so that the next target is easier.',
    on: 'nodes',
    rule: 'BLK-6',
    code: 'BLOCK_TIME_FUTURE',
    check: header('header.timeMs <= nowMs + params.block.maxFutureMs'),
    run: changes(({ net }) => ({ timeMs: net.clock.nowMs() + 7_200_000 })),
  },
  {
    id: 'chain/before-the-launch',
    actor: 'miner',
    targets: 'P3',
    story: 'Mines before the announced launch, while others wait for it.',
    on: 'nodes',
    rule: 'BLK-6',
    code: 'BLOCK_BEFORE_LAUNCH',
    check: header('header.timeMs >= launchMs'),
    run: () =>
      Arena.run(
        async (arena) => {
          arena.forge.mine('a1', 'genesis', { afterMs: LAUNCH_MS })
          const early = arena.forge.tamper('x1', 'a1', { timeMs: arena.forge.genesis.header.timeMs + LAUNCH_MS / 2 })
          const attack = await arena.offered(early)
          return { attack, honest: await arena.offered(arena.forge.block('a1')) }
        },
        withLines(`network.launchDelayMs=${LAUNCH_MS}`),
      ),
  },
  {
    id: 'chain/block-of-another-network',
    actor: 'peer',
    targets: 'P7',
    story: 'Feeds the blocks of a network with easier parameters to this one.',
    on: 'nodes',
    rule: 'BLK-1',
    code: 'BLOCK_CHAIN',
    check: header('equalBytes(header.chainId, genesis.chainId)'),
    run: changes(({ forge }) => ({ chainId: flip(forge.context.genesis.chainId) })),
  },
  {
    id: 'chain/skips-heights',
    actor: 'miner',
    targets: 'P3',
    story: 'Claims a height far ahead, where the ramp is over and the subsidy is whole.',
    on: 'nodes',
    rule: 'BLK-1',
    code: 'BLOCK_HEIGHT',
    check: header('header.height === parent.height + 1'),
    run: changes(() => ({ height: 1000 })),
  },
  {
    id: 'chain/state-of-its-own',
    actor: 'miner',
    targets: 'P7',
    story: 'Commits to a state in which it has what it likes.',
    on: 'nodes',
    rule: 'BLK-7',
    code: 'BLOCK_STATE_ROOT',
    check: unchecked('block/validate-transition.ts', 'equalBytes(applied.stateRoot, block.header.stateRoot)'),
    run: changes(({ forge }) => ({ stateRoot: flip(forge.get('a2').header.stateRoot) })),
  },
  {
    id: 'chain/overfull-block',
    actor: 'miner',
    targets: 'P8',
    story: 'Puts more transactions into a block than nodes can be asked to apply in a block time.',
    on: 'nodes',
    rule: 'BLK-1',
    code: 'BLOCK_TOO_MANY_TRANSACTIONS',
    check: unchecked('ledger/block-limits.ts', 'length <= most'),
    run: () =>
      Arena.run(async (arena) => {
        const { forge } = arena
        const { keysOf, transactionOf, transferTo } = await import('../../../../packages/node/test/support/forge.ts')
        forge.mine('a1 a2')
        await arena.give('a1')
        const one = transactionOf(forge.context, keysOf('q'), 0n, transferTo(ledgerKeys(1), 1n))
        const transactions = Array.from({ length: forge.context.params.block.maxTransactions + 1 }, () => one)
        const body = { ...forge.block('a2').body, transactions }
        const attack = await arena.offered(forge.tamper('x2', 'a2', { bodyRoot: bodyRoot(body) }, body))
        return { attack, honest: await arena.offered(forge.block('a2')) }
      }),
  },
  {
    id: 'chain/work-that-nobody-did',
    actor: 'peer',
    targets: 'P1',
    story:
      'Shows a header at a very hard target, which claims more work than the whole chain, to have its branch fetched and taken for the best.',
    on: 'nodes',
    rule: 'BLK-5',
    code: 'TICKET_LOSES',
    check: unchecked('lottery/header-ticket.ts', 'ticketWins(ticket, target, input.ticketMacs)'),
    run: async () => {
      const shown = (bits?: number): Promise<string | undefined> =>
        Arena.run(async (arena) => {
          const { forge, net } = arena
          forge.mine('a1')
          if (bits !== undefined) forge.tamper('w1', 'a1', { bits })
          const label = bits === undefined ? 'a1' : 'w1'
          const peer = arena.peer({
            status: () => net.status(forge.get(label), { totalWork: 1n << 255n }),
            headers: () => net.headers(label),
            blocks: () => net.blocks(label),
          })
          await net.runFor(2_000)
          return arena.penaltyOf(peer.self) ?? (net.tipOf(arena.victim) === label ? undefined : NOT_ADOPTED)
        })
      return { attack: await shown(bitsFromTarget(1n << 150n)), honest: await shown() }
    },
  },
]
