/** P3: every grain is accounted for. */

import {
  accusationCodec,
  accusationEndsCodec,
  auditedUnitCodec,
  auditorCodec,
  auditorsCodec,
  challengesCodec,
  dueCodec,
  jobIdsCodec,
  unitCountsCodec,
  verdictsCodec,
} from '../audit/entries.ts'
import { foundCountsCodec, planterCodec, plantersCodec, suspicionCodec } from '../audit/plant-entries.ts'
import type { Codec } from '../codec.ts'
import { ProtocolError } from '../errors.ts'
import {
  asksCodec,
  blockIdCodec,
  clearedCodec,
  countCodec,
  jobCodec,
  marketCodec,
  openCodec,
  pendingAsksCodec,
  promptCodec,
  settlementCodec,
  weightCodec,
  wonCodec,
} from '../market/entries.ts'
import { accountCodec, amountCodec, barredCodec, immatureCodec, registrationCodec, unbondingCodec } from './entries.ts'
import { AMOUNT_KEYS, type AmountName, CLEARED_KEY, SETTLEMENT_FROM_KEY, VERIFIERS_KEY } from './keys.ts'
import { workCodec } from './published.ts'

/** Where the grains of a state came from and where they are. `created` equals `held` in every valid state. */
export interface SupplyAudit {
  readonly premine: bigint
  readonly faucet: bigint
  readonly emitted: bigint
  readonly balances: bigint
  readonly immature: bigint
  /** Bonds of active registrations. */
  readonly bonds: bigint
  /** Bonds on their way back. */
  readonly unbonding: bigint
  /** What jobs hold of their clients: escrows, and fees that have not settled. */
  readonly jobs: bigint
  readonly deferred: bigint
  /** Deposits of accusations and bonds of challenges (chapter 11). */
  readonly deposits: bigint
  readonly verifierPool: bigint
  readonly burned: bigint
  /** What premiums may still mint (ECO-3): a bound, nobody's grains and in no sum. */
  readonly mintable: bigint
  /** premine + faucet + emitted. */
  readonly created: bigint
  /** balances + immature + bonds + unbonding + jobs + deposits + deferred + verifierPool + burned. */
  readonly held: bigint
}

const AMOUNT_OF_KEY: ReadonlyMap<string, AmountName> = new Map(
  (Object.keys(AMOUNT_KEYS) as AmountName[]).map((name) => [AMOUNT_KEYS[name], name]),
)

/** Entries that hold no grains, by their key or the first part of it. */
const WITHOUT_GRAINS: Readonly<Record<string, Codec<unknown>>> = {
  'unbonding/': unbondingCodec,
  'barred/': barredCodec,
  'prompt/': promptCodec,
  'open/': openCodec,
  'asks/': asksCodec,
  'asks-pending/': pendingAsksCodec,
  'market/': marketCodec,
  [CLEARED_KEY]: clearedCodec,
  'assigned/': clearedCodec,
  'settlement/': settlementCodec,
  [SETTLEMENT_FROM_KEY]: countCodec,
  [VERIFIERS_KEY]: countCodec,
  'weight/': weightCodec,
  'won/': wonCodec,
  'block/': blockIdCodec,
  'work/': workCodec,
  'audit/': auditedUnitCodec,
  'audit-end/': jobIdsCodec,
  'units/': unitCountsCodec,
  'accusation-end/': accusationEndsCodec,
  'auditors/': auditorsCodec,
  'auditor/': auditorCodec,
  'verdicts/': verdictsCodec,
  'challenges-due/': dueCodec,
  'planters/': plantersCodec,
  'planter/': planterCodec,
  'suspicion/': suspicionCodec,
  'found/': foundCountsCodec,
  'full/': countCodec,
} as Readonly<Record<string, Codec<unknown>>>

/** Sums a whole state by category. Throws CODEC_MALFORMED for an entry that no rule writes, CODEC_* for a broken value. */
export function auditSupply(entries: Iterable<readonly [key: string, value: Uint8Array]>): SupplyAudit {
  const sums = {
    premine: 0n,
    faucet: 0n,
    emitted: 0n,
    balances: 0n,
    immature: 0n,
    bonds: 0n,
    unbonding: 0n,
    jobs: 0n,
    deposits: 0n,
    deferred: 0n,
    verifierPool: 0n,
    burned: 0n,
    mintable: 0n,
  }
  for (const [key, value] of entries) {
    const name = AMOUNT_OF_KEY.get(key)
    if (name !== undefined) {
      sums[name] += amountCodec.decode(value)
      continue
    }
    switch (key.slice(0, key.indexOf('/') + 1)) {
      case 'account/':
        sums.balances += accountCodec.decode(value).balance
        break
      case 'miner/':
      case 'verifier/': {
        const { bond, unbondingHeight } = registrationCodec.decode(value)
        if (unbondingHeight === 0) sums.bonds += bond
        else sums.unbonding += bond
        break
      }
      case 'immature/':
        for (const { grains } of immatureCodec.decode(value)) sums.immature += grains
        break
      case 'job/':
        sums.jobs += jobCodec.decode(value).held
        break
      case 'accusation/':
        sums.deposits += accusationCodec.decode(value).deposit
        break
      case 'challenges/':
        for (const { bond } of challengesCodec.decode(value)) sums.deposits += bond
        break
      default: {
        const codec = WITHOUT_GRAINS[key.slice(0, key.indexOf('/') + 1) || key]
        if (codec === undefined) throw new ProtocolError('CODEC_MALFORMED', `no rule writes a state entry ${key}`)
        codec.decode(value)
      }
    }
  }
  const created = sums.premine + sums.faucet + sums.emitted
  const { balances, immature, bonds, unbonding, jobs, deposits, deferred, verifierPool, burned } = sums
  return {
    ...sums,
    created,
    held: balances + immature + bonds + unbonding + jobs + deposits + deferred + verifierPool + burned,
  }
}
