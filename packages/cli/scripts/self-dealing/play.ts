/** Plays one case: the operator posts fake jobs, block by block, and the chain is read when all of them have ended. */
import { get, type JobView, readAccount, readAsks, readJob, submitTransaction } from '@nacre/node/rpc-client'
import {
  bytesToHex,
  chainIdOf,
  encodeTransaction,
  GRAINS_PER_NCR,
  hexToBytes,
  type Job,
  type KeyPair,
  keyPairFromSeed,
  type Params,
  signTransaction,
  taggedHash,
  transactionId,
  u32le,
  windowBlocks,
} from '@nacre/protocol'
import { addressOfKey } from '../../src/devnet/paid-network.ts'
import { CliError } from '../../src/errors.ts'
import { coinbasesOf } from '../../src/launch/coinbases.ts'
import { type ChainData, readChain } from '../../src/launch/rpc.ts'
import type { SelfDealingCase } from './cases.ts'
import { paramsOf } from './params.ts'
import type { Stage, StartStage } from './stage.ts'

/** A block as far as rewards go. */
export interface PlayedBlock {
  readonly height: number
  readonly minerKey: string
  readonly lane: string
  /** The miner's part of the subsidy, premium and release included. */
  readonly rewardGrains: bigint
  readonly premiumGrains: bigint
}

/** What the chain tells about one case. */
export interface Played {
  readonly params: Params
  readonly minerKeys: readonly string[]
  readonly jobs: readonly JobView[]
  /** Of the blocks since the first job was posted. */
  readonly blocks: readonly PlayedBlock[]
  /** MACs of weight of each miner with an ask, in the order of `minerKeys`, whenever jobs were posted. */
  readonly weights: readonly (readonly bigint[])[]
  readonly client: { readonly beforeGrains: bigint; readonly afterGrains: bigint; readonly transactions: number }
  readonly burnedGrains: bigint
  readonly verifierPoolGrains: bigint
  readonly data: ChainData
}

/** Enough for any case; what is left shows in no figure. */
const CLIENT_GRAINS: bigint = 10_000n * GRAINS_PER_NCR
/** Blocks before the first job: until the wins of every miner have matured into weight. */
const WARM_UP_BLOCKS = 60
const SHORT_WARM_UP_BLOCKS = 12
/** Blocks of a case without jobs. */
const JOBLESS_BLOCKS = 50
const PROMPT_TOKENS = 24
const NEW_TOKENS = 4
/** Blocks that a job may wait in the book. */
const WAITING_BLOCKS = 4
const READ_ATTEMPTS = 20

export interface PlayOptions {
  readonly play: SelfDealingCase
  readonly start: StartStage
  readonly seed: string
  readonly isQuick: boolean
  readonly signal: AbortSignal
}

/** Throws CliError where the network stands still or refuses a job. */
export async function playCase({ play, start, seed, isQuick, signal }: PlayOptions): Promise<Played> {
  const keys = keyPairFromSeed(taggedHash('unitId', new TextEncoder().encode(`${seed}/client`)))
  const params = paramsOf(play)
  const stage = await start({ play, params, client: { keys, grains: CLIENT_GRAINS }, seed, signal })
  try {
    await stage.advance(isQuick || play.jobs === 0 ? SHORT_WARM_UP_BLOCKS : WARM_UP_BLOCKS)
    return await dealOn(stage, play, keys)
  } finally {
    await stage.stop()
  }
}

async function dealOn(stage: Stage, play: SelfDealingCase, keys: KeyPair): Promise<Played> {
  const { rpc, params, minerKeys, advance } = stage
  const { jobs } = play
  const address = addressOfKey(params, keys.publicKey)
  const before = await readAccount(rpc, address, undefined)
  const ids: string[] = []
  const weights: bigint[][] = []
  while (ids.length < jobs) {
    weights.push(await weightsOf(stage))
    const now = Math.min(play.jobsPerBlock, jobs - ids.length)
    for (let i = 0; i < now; i++) ids.push(await postJob(stage, play, keys, before.nonce, ids.length))
    await advance(1)
  }
  await advance(jobs === 0 ? JOBLESS_BLOCKS : WAITING_BLOCKS + windowBlocks(params) + params.jobs.auditWindowBlocks + 2)
  const views: JobView[] = []
  for (const id of ids) views.push(await readJob(rpc, id))
  const after = await readAccount(rpc, address, undefined)
  const { data, burnedGrains, verifierPoolGrains } = await readAtOneTip(rpc)
  return {
    ...{ params, minerKeys, jobs: views, weights, data, blocks: blocksOf(data, before.height) },
    client: {
      beforeGrains: before.balance,
      afterGrains: after.balance,
      transactions: Number(after.nonce - before.nonce),
    },
    burnedGrains,
    verifierPoolGrains,
  }
}

/** The chain and the totals of its state, both at the same block: others go on making blocks meanwhile. */
async function readAtOneTip(rpc: string): Promise<Pick<Played, 'data' | 'burnedGrains' | 'verifierPoolGrains'>> {
  for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
    const data = await readChain(rpc, Number.MAX_SAFE_INTEGER)
    const { tip, burnedGrains, verifierPoolGrains } = (await get(rpc, '/status')) as Record<string, string>
    if (tip !== data.status.tip) continue
    return { data, burnedGrains: BigInt(burnedGrains!), verifierPoolGrains: BigInt(verifierPoolGrains!) }
  }
  throw new CliError('the chain grows faster than it can be read')
}

async function weightsOf({ rpc, params, minerKeys }: Stage): Promise<bigint[]> {
  const asks = await readAsks(rpc, params.models[0]!.modelId)
  return minerKeys.map((key) => BigInt(asks.find(({ minerKey }) => minerKey === key)?.weightMacs ?? '0'))
}

/** The `n`-th job of the client. Returns its id. */
async function postJob(
  { rpc, params, minerKeys }: Stage,
  play: SelfDealingCase,
  keys: KeyPair,
  firstNonce: bigint,
  n: number,
): Promise<string> {
  const { height } = (await get(rpc, '/status')) as { height: number }
  const body: Job = {
    kind: 'job',
    modelId: hexToBytes(params.models[0]!.modelId),
    promptTokens: [...taggedHash('unitId', u32le(n))].slice(0, PROMPT_TOKENS),
    maxNewTokens: NEW_TOKENS,
    decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
    maxPrice: play.bidGrains,
    expiryHeight: height + windowBlocks(params) + 2 + WAITING_BLOCKS,
    ...(play.provenance === 'client-signed' ? { minerKey: hexToBytes(minerKeys[0]!) } : {}),
  }
  const envelope = { chainId: chainIdOf(params), nonce: firstNonce + BigInt(n), fee: params.fees.minTransactionGrains }
  const transaction = signTransaction({ ...envelope, body }, keys)
  const answer = await submitTransaction(rpc, encodeTransaction(transaction))
  if ('error' in answer) throw new CliError(`the node refused job ${n}: ${answer.error.message}`, 1, answer.error.code)
  return bytesToHex(transactionId(transaction))
}

function blocksOf(data: ChainData, afterHeight: number): PlayedBlock[] {
  const { rewards, blockPremiums } = coinbasesOf(data)
  return data.blocks.slice(1).flatMap(({ height, minerKey, lane }, i) => {
    const block = {
      height,
      minerKey,
      lane,
      rewardGrains: rewards[i]!,
      premiumGrains: blockPremiums[i]!,
    }
    return height > afterHeight ? [block] : []
  })
}
