/** The whole audit as data: what the terminal, the HTML report and `--json` show. */
import { bytesToHex, type Params, paramsHash } from '@nacre/protocol'
import { auditChain, type ChainAudit } from './chain.ts'
import { chainFindings } from './chain-findings.ts'
import { type Finding, paramFindings } from './findings.ts'
import { auditHeadStart, type HeadStartAudit } from './head-start.ts'
import type { ChainData } from './rpc.ts'
import { type SplitAudit, splitOf } from './split.ts'
import { auditSupply, type SupplyAudit } from './supply.ts'

export interface LaunchAudit {
  /** What was audited: a preset, or a chain by the address of a node. */
  readonly subject: string
  /** `path=value` lines that replace values of the preset. */
  readonly overrides: readonly string[]
  readonly network: string
  readonly paramsHash: string
  readonly findings: readonly Finding[]
  readonly supply: SupplyAudit
  readonly split: SplitAudit
  readonly headStart: HeadStartAudit
  readonly chain: ChainAudit | undefined
}

/** `about` says what `params` are: those of a preset, or those that the chain of `data` states. */
export function auditLaunch(
  params: Params,
  about: Pick<LaunchAudit, 'subject' | 'overrides'>,
  data?: ChainData,
): LaunchAudit {
  const supply = auditSupply(params)
  const { audit: split, minerPaid } = splitOf(params)
  const headStart = auditHeadStart(params, minerPaid)
  const chain = data === undefined ? undefined : auditChain(data)
  const findings = [
    ...paramFindings(params, supply, headStart),
    ...(data === undefined || chain === undefined ? [] : chainFindings(data, chain)),
  ]
  return {
    ...about,
    network: params.network.name,
    paramsHash: bytesToHex(paramsHash(params)),
    findings,
    supply,
    split,
    headStart,
    chain,
  }
}

/** JSON with grains as decimal strings; the same audit gives the same bytes. */
export function auditJson(audit: LaunchAudit): string {
  return JSON.stringify(audit, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 2)
}
