/** What a network did, out of its chain and of what its miners charged to their machines. */
import type { UnitEngine } from '@nacre/engine'
import type { JobView } from '@nacre/node/rpc-client'
import {
  barredCodec,
  barredKey,
  bytesToHex,
  equalBytes,
  equalNumbers,
  hexToBytes,
  immatureCodec,
  readEntry,
  subsidy,
  usefulSharePpm,
} from '@nacre/protocol'
import { CliError } from '../../src/errors.ts'
import { coinbasesOf } from '../../src/launch/coinbases.ts'
import { readChain } from '../../src/launch/rpc.ts'
import { accountOfJob, sumOf } from '../self-dealing/accounts.ts'
import type { UsefulnessCase } from './cases.ts'
import { PURPOSES, type Purpose } from './machine.ts'
import type { MinerName } from './miners.ts'
import type { PlayedNetwork, Snapshot } from './network.ts'

/** Amounts are decimal text in grains. */
export interface MinerFigures {
  readonly name: MinerName
  readonly key: string
  readonly blocks: number
  readonly paidBlocks: number
  /** Of the miner's part of its blocks' subsidies, premiums and releases. */
  readonly maturedGrains: string
  readonly immatureGrains: string
  readonly forfeitedGrains: string
  /** Of its blocks: what they had beyond what a block of the chain's own prompts has. */
  readonly premiumGrains: string
  /** Paid by clients, and by the self-dealer, for jobs that it delivered. */
  readonly clientFeesGrains: string
  readonly ownFeesGrains: string
  readonly share: number
  /** Of all products that were drawn over, those of this miner: what its share is on average if all its draws count. */
  readonly drawnShare: number
  readonly drawnMacs: number
  readonly spentMs: Readonly<Record<Purpose, number>>
  readonly tokens: number
  /** Blocks that its own node refused and that it sent all the same, and what the honest miner's node said. */
  readonly sent: number
  readonly refusals: Readonly<Record<string, number>>
  /** Height at which the chain barred it. */
  readonly barredHeight?: number
}

export interface Figures {
  readonly name: string
  readonly seed: string
  readonly off: readonly string[]
  readonly genesisBits: number
  readonly chainId: string
  readonly tip: string
  /** Blocks that count, and the height of the tip. */
  readonly fromHeight: number
  readonly toHeight: number
  readonly height: number
  readonly miners: readonly MinerFigures[]
  readonly clients: {
    readonly posted: number
    readonly settled: number
    /** Of those settled: what the model really answers. */
    readonly right?: number
    readonly tokens: number
    readonly chargedGrains: string
  }
  readonly ownJobs: {
    readonly posted: number
    readonly settled: number
    readonly chargedGrains: string
    readonly recoveredGrains: string
    /** Transaction fees of the jobs. */
    readonly transactionFeesGrains: string
  }
  /** New coins of the blocks that count. */
  readonly emittedGrains: string
  /** As the chain publishes it, over its whole life. */
  readonly chainUsefulShare: number
  /** Of the blocks: work that was a client's prompts, and work that was whole inference, asked for or not. */
  readonly usefulBlocks: number
  readonly inferenceBlocks: number
  /** Of all processor time: inference for clients. */
  readonly usefulTime: number
  readonly inferenceTime: number
}

export interface FiguresInput {
  readonly play: UsefulnessCase
  readonly seed: string
  readonly network: PlayedNetwork
  readonly before: Snapshot
  readonly after: Snapshot
  readonly jobs: readonly JobView[]
  readonly ownJobs: readonly JobView[]
}

export async function figuresOf({ play, seed, network, before, after, jobs, ownJobs }: FiguresInput): Promise<Figures> {
  const { boot, lab, miners } = network
  const { params } = lab.context
  const data = await readChain(network.rpc, Number.MAX_SAFE_INTEGER)
  const { rewards, blockPremiums, wrong } = coinbasesOf(data)
  if (wrong.length > 0) throw new CliError(`the coinbases at heights ${wrong.join(', ')} follow no rule`)
  const { height } = data.status
  const blocks = data.blocks.slice(before.height + 1)
  const rewardOf = (at: number): bigint => rewards[at - 1]!
  const all = sumOf(blocks, (block) => rewardOf(block.height))
  const [client, own] = [jobs.map(accountOfJob), ownJobs.map(accountOfJob)]
  const lost = forfeitedSince(network, before.height)
  const drawn = miners.map((_, i) => after.miners[i]!.drawnMacs - before.miners[i]!.drawnMacs)
  const allDrawn = drawn.reduce((sum, macs) => sum + macs, 0)
  const ownTransactions = BigInt(ownJobs.length) * params.fees.minTransactionGrains
  const figures = miners.map(({ name, keyHex }, i): MinerFigures => {
    const mine = blocks.filter(({ minerKey }) => minerKey === keyHex)
    const isMature = (block: { readonly height: number }): boolean =>
      block.height + params.block.maturityBlocks <= height
    const reward = sumOf(mine, (block) => rewardOf(block.height))
    const matured = sumOf(mine.filter(isMature), (block) => rewardOf(block.height))
    const delivered = (of: typeof client): bigint =>
      sumOf(
        of.filter(({ minerKey }) => minerKey === keyHex),
        ({ minerGrains }) => minerGrains,
      )
    const [then, now] = [before.miners[i]!, after.miners[i]!]
    const forfeited = lost.get(keyHex) ?? 0n
    const barredHeight = readEntry(boot.chain.reader, barredKey(hexToBytes(keyHex)), barredCodec)
    return {
      ...{ name, key: keyHex, blocks: mine.length, paidBlocks: mine.filter(({ lane }) => lane === 'paid').length },
      maturedGrains: matured.toString(),
      immatureGrains: (barredHeight === undefined ? reward - matured : 0n).toString(),
      forfeitedGrains: forfeited.toString(),
      premiumGrains: sumOf(mine, (block) => blockPremiums[block.height - 1]!).toString(),
      ...{ clientFeesGrains: delivered(client).toString(), ownFeesGrains: delivered(own).toString() },
      share: Number(reward) / Number(all),
      drawnShare: drawn[i]! / allDrawn,
      drawnMacs: drawn[i]!,
      spentMs: Object.fromEntries(
        PURPOSES.map((purpose) => [purpose, now.spentMs[purpose] - then.spentMs[purpose]]),
      ) as Record<Purpose, number>,
      tokens: now.tokens - then.tokens,
      ...(barredHeight === undefined ? {} : { barredHeight }),
      sent: now.sent - then.sent,
      refusals: Object.fromEntries(
        Object.entries(now.refusals).flatMap(([code, count]) => {
          const since = count - (then.refusals[code] ?? 0)
          return since === 0 ? [] : [[code, since]]
        }),
      ),
    }
  })
  const settled = jobs.filter(({ status }) => status === 'settled')
  // What a client that executes its job again would find.
  const right = settled.filter((job) => isRight(lab.engine, job))
  const spent = (...purposes: readonly Purpose[]): number =>
    figures.reduce((sum, { spentMs }) => sum + purposes.reduce((part, purpose) => part + spentMs[purpose], 0), 0)
  const parts = blocks.map(({ height: at }) => usefulnessOf(network, at, new Set(jobs.map(({ id }) => id))))
  const share = (of: (part: { readonly useful: number; readonly inference: number }) => number): number =>
    parts.reduce((sum, part) => sum + of(part), 0) / parts.length
  return {
    ...{ name: play.name, seed, off: play.off, genesisBits: params.difficulty.genesisBits },
    ...{ chainId: data.status.chainId, tip: data.status.tip },
    ...{ fromHeight: before.height + 1, toHeight: after.height, height, miners: figures },
    clients: {
      posted: jobs.length,
      settled: settled.length,
      right: right.length,
      tokens: right.reduce((sum, { receipt }) => sum + receipt!.tokens.length, 0),
      chargedGrains: sumOf(client, ({ chargedGrains }) => chargedGrains).toString(),
    },
    ownJobs: {
      posted: ownJobs.length,
      settled: own.filter(({ end }) => end === 'settled').length,
      chargedGrains: sumOf(own, ({ chargedGrains }) => chargedGrains).toString(),
      recoveredGrains: figures.find(({ name }) => name === 'self-dealing')!.ownFeesGrains,
      transactionFeesGrains: ownTransactions.toString(),
    },
    emittedGrains: sumOf(blocks, ({ height: at }) => subsidy(params, at)).toString(),
    chainUsefulShare: Number(usefulSharePpm(boot.chain.reader)) / 1e6,
    usefulBlocks: share(({ useful }) => useful),
    inferenceBlocks: share(({ inference }) => inference),
    usefulTime: spent('clients') / spent(...PURPOSES),
    inferenceTime: spent('clients', 'chain prompts') / spent(...PURPOSES),
  }
}

function isRight(engine: UnitEngine, { promptTokens, maxNewTokens, decoding, receipt }: JobView): boolean {
  const { temperatureMilli, seed, stopAtEos } = decoding!
  const how = { temperatureMilli, seed: hexToBytes(seed), stopAtEos }
  const { tokens } = engine.generate({ promptTokens: promptTokens!, maxNewTokens: maxNewTokens!, decoding: how })
  return equalNumbers(tokens.subarray(promptTokens!.length), receipt!.tokens)
}

/** What of a block's work clients asked for, and what of it was inference that nobody left out: by what its miner did. */
function usefulnessOf(
  { boot, miners }: PlayedNetwork,
  height: number,
  jobs: ReadonlySet<string>,
): { readonly useful: number; readonly inference: number } {
  const { header } = boot.chain.atHeight(height)!
  const miner = miners.find(({ member }) => equalBytes(member.keys.publicKey, header.minerKey))
  if (miner === undefined) return { useful: 0, inference: 0 }
  const { name, account } = miner
  const part = account.usefulParts.get(bytesToHex(header.traceRoot))
  if (part !== undefined) return { useful: part, inference: 1 }
  const isClients = header.unit.lane === 1 && jobs.has(bytesToHex(header.unit.jobId))
  const isOwn = header.unit.lane === 1 && !isClients
  const isWhole = header.unit.lane !== 2 && (name === 'honest' || (name === 'self-dealing' && !isOwn))
  return { useful: isClients ? 1 : 0, inference: isWhole ? 1 : 0 }
}

/** Grains that left `immature/...` before they matured, by miner key in hex. */
function forfeitedSince({ boot }: PlayedNetwork, fromHeight: number): Map<string, bigint> {
  const { chain } = boot
  const lost = new Map<string, bigint>()
  const add = (bytes: Uint8Array | undefined, sign: bigint): void => {
    for (const { minerKey, grains } of bytes === undefined ? [] : immatureCodec.decode(bytes)) {
      const key = bytesToHex(minerKey)
      lost.set(key, (lost.get(key) ?? 0n) + sign * grains)
    }
  }
  for (let height = fromHeight + 1; height <= chain.tip.header.height; height++) {
    for (const { key, before, after } of chain.changes(chain.atHeight(height)!)) {
      const [, at] = /^immature\/(\d+)$/.exec(key) ?? []
      // Entries of this height mature, and those of one that is written now grow; anything else was taken.
      if (at === undefined || Number(at) === height || before === undefined) continue
      if ((after?.length ?? 0) >= before.length) continue
      add(before, 1n)
      add(after, -1n)
    }
  }
  return lost
}
