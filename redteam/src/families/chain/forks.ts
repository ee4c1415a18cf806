/** Branches that should not win, and what is tried with them. */
import { createContext, isBarred, overrideParams, presets, unitCorpus, unitModel } from '@nacre/protocol'
import { keysOf, transfer } from '../../../../packages/protocol/test/ledger-fixture.ts'
import { market } from '../../../../packages/protocol/test/market-fixture.ts'
import type { Attack } from '../../attack.ts'
import { rejectionOf } from '../../attack.ts'
import { refusal } from '../../fixtures/ledger.ts'
import { uncheckedIn } from '../../fixtures/mutations.ts'
import { Arena } from '../../fixtures/nodes.ts'

/** Labels `a1 a2 ...`. */
const labels = (letter: string, count: number, first = 1): string =>
  Array.from({ length: count }, (_, i) => `${letter}${first + i}`).join(' ')

/** Real targets, and a maturity so long that gossip takes in side blocks far below the tip. */
const priced = () =>
  createContext(
    overrideParams(presets.unit, ['block.maturityBlocks=100', 'bonds.unbondingBlocks=100']),
    unitModel(),
    unitCorpus(),
  )

/** Virtual milliseconds in which a branch of some dozens of blocks is fetched and executed. */
const SYNC_MS = 20_000

/** A peer shows a branch, whatever it weighs, and says that it weighs more than anything. */
function shows(
  { net, forge, peer }: { net: Arena['net']; forge: Arena['forge']; peer: Arena['peer'] },
  branch: string,
) {
  const tip = branch.split(' ').at(-1)!
  return peer({
    status: () => net.status(forge.get(tip), { totalWork: 1n << 200n }),
    headers: () => net.headers(branch),
    blocks: async (request) => {
      const { decodeBlocksRequest } = await import('../../../../packages/node/src/messages.ts')
      return net.blocks(
        decodeBlocksRequest(request)
          .map((id) => forge.labelOf(id))
          .join(' '),
      )
    },
  })
}

/**
 * The faucet pays a shop in a1, then a branch without that payment is shown, and the same coin is sent elsewhere for a higher fee:
 * the code with which the node refuses that.
 */
const paysTwice = (blocks: number, afterMs: number | undefined): Promise<string | undefined> =>
  Arena.run(async (arena) => {
    const {
      faucetKeys,
      keysOf: named,
      transactionOf,
      transferTo,
    } = await import('../../../../packages/node/test/support/forge.ts')
    const { forge, net, victim } = arena
    const pay = (to: string, fee: bigint) =>
      transactionOf(forge.context, faucetKeys, 0n, transferTo(named(to), 1_000_000n), fee)
    forge.mine('a1', 'genesis', { transactions: [pay('shop', 1000n)] })
    forge.mine(labels('a', 13, 2), 'a1')
    forge.mine(labels('b', blocks), 'genesis', afterMs === undefined ? {} : { afterMs })
    await arena.give(labels('a', 14))
    shows({ net, forge, peer: (script) => arena.peer(script) }, labels('b', blocks))
    await net.runFor(SYNC_MS)
    return rejectionOf(() => victim.node.publishTransaction(pay('thief', 5000n)))
  }, priced)

export const forks: readonly Attack[] = [
  {
    id: 'chain/time-banked-fork',
    actor: 'miner',
    targets: 'P9',
    story:
      'On an old block, writes times so far apart that each target is an eighth easier than the last, and makes twice as many blocks as the chain has, to take back a payment.',
    on: 'nodes',
    rule: 'BLK-5',
    code: 'TX_NONCE_LOW',
    check: uncheckedIn('protocol', 'block/fork-choice.ts', 'return workOfTarget(targetFromBits(bits))', 'return 1n'),
    run: async () => ({ attack: await paysTwice(30, 60_000), honest: await paysTwice(16, undefined) }),
  },
  {
    id: 'chain/spends-before-maturity',
    actor: 'miner',
    targets: 'P3',
    story:
      'Spends a coinbase at once, before anybody has had the time to find its branch wrong and before a reorganisation can take it.',
    on: 'protocol',
    rule: 'ECO-8',
    code: 'TX_INSUFFICIENT_FUNDS',
    check: uncheckedIn(
      'protocol',
      'ledger/apply-block.ts',
      'const matures = height + params.block.maturityBlocks',
      'const matures = height + 1',
    ),
    run: async () => {
      const ledger = market()
      const miner = keysOf(130)
      for (let i = 0; i < 12; i++) ledger.block()
      ledger.block([], miner)
      ledger.block()
      const spend = () => refusal(ledger, [ledger.tx(miner, transfer(new Uint8Array(20), 1n))])
      const attack = await spend()
      ledger.blocks(ledger.params.block.maturityBlocks)
      return { attack, honest: await spend() }
    },
  },
  {
    id: 'chain/receipt-of-another-branch',
    actor: 'miner',
    targets: 'P2',
    story:
      'After a deep reorganisation, hands in the receipt of the branch that was left, to be paid on this one without a new assignment.',
    on: 'protocol',
    rule: 'UNT-1',
    code: 'RECEIPT_BRANCH',
    check: uncheckedIn(
      'protocol',
      'market/receipts.ts',
      'unit === undefined || !equalBytes(unit.parentId, receipt.unitParentId)',
      'unit === undefined',
    ),
    run: async () => {
      const ledger = market()
      const jobId = ledger.post()
      ledger.block()
      const old = ledger.receiptBody(jobId)
      ledger.revert()
      ledger.branch = 1
      ledger.block()
      const send = (body: typeof old) => refusal(ledger, [ledger.tx(ledger.rank(jobId, 0), body)])
      return { attack: await send(old), honest: await send(ledger.receiptBody(jobId)) }
    },
  },
  {
    id: 'chain/deep-side-block',
    actor: 'miner',
    targets: 'P8',
    story: 'Gossips a block that forks off below maturity: cheap to make, dear to keep.',
    on: 'nodes',
    rule: 'BLK-4',
    code: 'BUSY',
    check: uncheckedIn('node', 'chain/chain.ts', 'header.height < lowest', 'false'),
    run: () =>
      Arena.run(async (arena) => {
        const { forge, victim } = arena
        forge.mine(labels('a', 6))
        forge.mine('b1')
        forge.mine('c5', 'a4')
        await arena.give(labels('a', 6))
        const offer = (label: string) => rejectionOf(() => victim.node.chain.offer(forge.block(label)))
        return { attack: await offer('b1'), honest: await offer('c5') }
      }),
  },
  {
    id: 'chain/flood-of-side-blocks',
    actor: 'miner',
    targets: 'P8',
    story:
      'Grinds header after header at the easiest target on an old block, each of which a node would have to keep and to execute.',
    on: 'nodes',
    rule: 'BLK-4',
    code: 'BUSY',
    check: uncheckedIn('node', 'chain/chain.ts', 'this.#unproven.size >= MAX_UNPROVEN_BLOCKS', 'false'),
    run: () =>
      Arena.run(async (arena) => {
        const { MAX_UNPROVEN_BLOCKS } = await import('../../../../packages/node/src/limits-chain.ts')
        const { forge, victim } = arena
        forge.mine('a1 a2 a3')
        await arena.give('a1 a2')
        const offer = (label: string) => rejectionOf(() => victim.node.chain.offer(forge.block(label)))
        const codes: (string | undefined)[] = []
        for (let i = 0; i <= MAX_UNPROVEN_BLOCKS; i++) {
          forge.mine(`s${i}`, 'genesis', { counter: i })
          codes.push(await offer(`s${i}`))
        }
        const isTaken = codes.slice(0, -1).every((code) => code === undefined)
        return { attack: isTaken ? codes.at(-1) : 'TOO_SOON', honest: await offer('a3') }
      }),
  },
  {
    id: 'chain/orphan-flood',
    actor: 'peer',
    targets: 'P8, P9',
    story: 'Sends blocks without parents until those of others have been pushed out of the pool.',
    on: 'nodes',
    rule: 'NET-4',
    code: 'BLOCK_PARENT_UNKNOWN',
    check: uncheckedIn('node', 'sync/orphans.ts', 'if (ofPeer.length >= MAX_ORPHANS_PER_PEER)', 'if (false)'),
    run: () =>
      Arena.run(async (arena) => {
        const { MAX_ORPHANS } = await import('../../../../packages/node/src/limits-chain.ts')
        const { forge, net, victim } = arena
        forge.mine('a1 a2')
        const flood = MAX_ORPHANS + 6
        forge.mine(labels('z', flood))
        const fair = arena.peer()
        await fair.publish('block', net.encoded('a2'))
        await net.runFor(50)
        const flooder = arena.peer()
        for (const label of labels('z', flood - 1, 2).split(' ')) {
          await flooder.publish('block', net.encoded(label))
          await net.runFor(20)
        }
        const stray = await rejectionOf(() => victim.node.chain.offer(forge.block(`z${flood}`)))
        await fair.publish('block', net.encoded('a1'))
        await net.runFor(500)
        // The orphan of the honest peer was still there: it is the tip once its parent has come.
        const isThere = net.tipOf(victim) === 'a2'
        return {
          attack: isThere ? stray : undefined,
          honest: await rejectionOf(() => victim.node.chain.offer(forge.block('a2'))),
        }
      }),
  },
  {
    id: 'chain/majority-reorganises',
    actor: 'coalition',
    targets: 'P9',
    story: 'With most of the work, replaces more blocks than maturity has, with payments that others took for final.',
    on: 'nodes',
    because:
      'the heaviest branch is the chain, and nothing is final by rule. It takes more work than all others together, for as long as the branch is deep; every block of it is executed again before a node moves.',
    run: () =>
      Arena.run(async (arena) => {
        const { forge, net, victim } = arena
        const { maturityBlocks } = forge.context.params.block
        forge.mine(labels('a', maturityBlocks + 3))
        forge.mine(labels('b', maturityBlocks + 4))
        await arena.give(labels('a', maturityBlocks + 3))
        shows({ net, forge, peer: (script) => arena.peer(script) }, labels('b', maturityBlocks + 4))
        await net.runFor(SYNC_MS)
        return net.tipOf(victim) === `b${maturityBlocks + 4}`
      }),
  },
  {
    id: 'chain/withholds-its-block',
    actor: 'miner',
    targets: 'P9',
    story:
      'Keeps a block that it has won, mines on it in secret, and shows both when another one has found a block: the work of that one is lost.',
    on: 'nodes',
    because:
      'nobody can be made to show a block. Among equal work the first seen stays, so it has to be two ahead, or well connected; below about a third of the work it loses more blocks than it takes.',
    run: () =>
      Arena.run(async (arena) => {
        const { forge, net, victim } = arena
        forge.mine('a1')
        forge.mine('b1 b2')
        await arena.give('a1')
        const peer = arena.peer()
        for (const label of ['b1', 'b2']) {
          await peer.publish('block', net.encoded(label))
          await net.runFor(300)
        }
        return net.tipOf(victim) === 'b2'
      }),
  },
  {
    id: 'chain/false-winners',
    actor: 'miner',
    targets: 'P8',
    story:
      'Registers keys and spends one after the other on blocks that do not execute again: each has all nodes that it reaches execute a unit, ahead of blocks of keys without a bond.',
    on: 'nodes',
    because:
      'no transaction shows the ledger a false winner, so the bond stays. Each costs its maker the grinding of a header, and each node an execution, at most a hundredth of a block time; a key whose block has failed has no precedence any more, and its block goes no further.',
    run: () =>
      Arena.run(async (arena) => {
        const { forge, victim } = arena
        forge.mine('a1')
        forge.mine('t', 'a1')
        const block = forge.withWrongToken('t2', 't')
        await arena.give('a1')
        const code = await arena.offered(block)
        return code === 'BLOCK_REPLAY_TOKENS' && !isBarred(victim.node.chain.reader, block.header.minerKey)
      }),
  },
]
