/** Where the grains of fake jobs went, exactly, out of what the chain tells. */
import type { JobView } from '@nacre/node/rpc-client'
import { bootstrapCoinbase, mintableOf } from '@nacre/protocol'
import { CliError } from '../../src/errors.ts'
import { coinbasesOf } from '../../src/launch/coinbases.ts'
import type { Played } from './play.ts'

/** One job: charged = burned + verifiers + miner; of one that lapsed only its prompt's burn is charged. */
export interface JobAccount {
  readonly end: 'settled' | 'lapsed' | 'unassigned'
  /** What it costs where it is delivered as asked. */
  readonly feeGrains: bigint
  readonly chargedGrains: bigint
  readonly promptBurnGrains: bigint
  readonly burnedGrains: bigint
  readonly verifierGrains: bigint
  readonly minerGrains: bigint
  /** Back to the client, the difference between bid and clearing price left out. */
  readonly returnedGrains: bigint
  /** Hex; of rank 0, and who delivered. */
  readonly drawnKey: string | undefined
  readonly minerKey: string | undefined
}

/** Throws CliError for a job that has not ended. */
export function accountOfJob(view: JobView): JobAccount {
  const { status, heldGrains = '0', promptBurnGrains, receipt, fee, ranks } = view
  if (status !== 'settled' && status !== 'returned') throw new CliError(`job ${view.id} has not ended: it is ${status}`)
  const promptBurn = BigInt(promptBurnGrains ?? '0')
  const whole = BigInt(heldGrains) + promptBurn
  const common = { promptBurnGrains: promptBurn, feeGrains: whole, drawnKey: ranks?.[0]?.minerKey }
  if (status === 'returned') {
    const nothing = { verifierGrains: 0n, minerGrains: 0n, minerKey: undefined }
    const burned = { chargedGrains: promptBurn, burnedGrains: promptBurn, returnedGrains: whole - promptBurn }
    return { end: promptBurnGrains === undefined ? 'unassigned' : 'lapsed', ...common, ...nothing, ...burned }
  }
  return {
    end: 'settled',
    ...common,
    chargedGrains: BigInt(fee!.inputGrains) + BigInt(fee!.outputGrains),
    burnedGrains: BigInt(fee!.burnedGrains),
    verifierGrains: BigInt(fee!.verifierGrains),
    minerGrains: BigInt(fee!.minerGrains),
    returnedGrains: BigInt(fee!.returnedGrains),
    minerKey: receipt!.minerKey,
  }
}

export const sumOf = <T>(list: readonly T[], of: (each: T) => bigint): bigint =>
  list.reduce((sum, each) => sum + of(each), 0n)

/**
 * The accounts of all jobs, once every sum agrees with what the chain's own entries say: the client's balance, burned grains, the verifier
 * pool, and the bound of ECO-3 on premiums. Nobody else posts jobs on these chains. Throws CliError with the sum that is wrong.
 */
export function accountsOf(played: Played): readonly JobAccount[] {
  const { params, data, client, burnedGrains, verifierPoolGrains } = played
  const accounts = played.jobs.map(accountOfJob)
  const same = (what: string, sum: bigint, chain: bigint): void => {
    if (sum !== chain) throw new CliError(`${what}: the jobs say ${sum} grains, the chain ${chain}`)
  }
  for (const [i, each] of accounts.entries()) {
    const { chargedGrains, verifierGrains, minerGrains, feeGrains, returnedGrains } = each
    same(`parts of job ${i}`, each.burnedGrains + verifierGrains + minerGrains, chargedGrains)
    same(`escrow of job ${i}`, chargedGrains + returnedGrains, feeGrains)
  }
  const transactionFees = BigInt(client.transactions) * params.fees.minTransactionGrains
  const charged = sumOf(accounts, ({ chargedGrains }) => chargedGrains)
  same("the client's balance", charged + transactionFees, client.beforeGrains - client.afterGrains)
  same(
    'burned grains',
    sumOf(accounts, (each) => each.burnedGrains),
    burnedGrains,
  )
  const { premiums, wrong } = coinbasesOf(data)
  if (wrong.length > 0) throw new CliError(`the coinbases at heights ${wrong.join(', ')} follow no rule`)
  const shares = sumOf(data.blocks.slice(1), ({ height }) => bootstrapCoinbase(params, height, 0n).verifierShare)
  same('the verifier pool', shares + sumOf(accounts, ({ verifierGrains }) => verifierGrains), verifierPoolGrains)
  const mintable = sumOf(accounts, ({ promptBurnGrains }) => mintableOf(params, promptBurnGrains))
  if (premiums > mintable) throw new CliError(`premiums of ${premiums} grains, where ${mintable} may be minted (ECO-3)`)
  return accounts
}
