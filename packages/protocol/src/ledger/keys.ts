/** Names of the state entries. Keys are ASCII text; heights are padded so that text order is number order. */
import { bytesToHex } from '../bytes.ts'
import { LANE_NAMES, type Lane } from '../unit/types.ts'

const padded = (height: number): string => String(height).padStart(10, '0')

/** Role that a bond stands for, with its stable tag. */
export const ROLE_MINER = 0
export const ROLE_VERIFIER = 1
export type Role = typeof ROLE_MINER | typeof ROLE_VERIFIER

/** The key of the entry of a 20-byte account. */
export const accountKey = (account: Uint8Array): string => `account/${bytesToHex(account)}`
/** The key of a registration: `miner/<public key>` or `verifier/<public key>`. */
export const registrationKey = (role: Role, publicKey: Uint8Array): string =>
  `${role === ROLE_MINER ? 'miner' : 'verifier'}/${bytesToHex(publicKey)}`
/** The key of what matures at `height`. */
export const immatureKey = (height: number): string => `immature/${padded(height)}`
/** The key of the registrations that end at `height`. */
export const unbondingKey = (height: number): string => `unbonding/${padded(height)}`
/** The key that marks a public key as barred. */
export const barredKey = (publicKey: Uint8Array): string => `barred/${bytesToHex(publicKey)}`

/** The key of a job that is neither settled nor returned. */
export const jobKey = (jobId: Uint8Array): string => `job/${bytesToHex(jobId)}`
/** The key of a job's prompt tokens. */
export const promptKey = (jobId: Uint8Array): string => `prompt/${bytesToHex(jobId)}`
/** The key of the jobs of a model that wait for clearing. */
export const openKey = (modelId: string): string => `open/${modelId}`
/** The key of a model's standing asks. */
export const asksKey = (modelId: string): string => `asks/${modelId}`
/** The key of the asks that take effect at `height`. */
export const pendingAsksKey = (height: number): string => `asks-pending/${padded(height)}`
/** The key of what a model's market last did. */
export const marketKey = (modelId: string): string => `market/${modelId}`
/** The jobs that the last block cleared, which the next beacon assigns. */
export const CLEARED_KEY = 'cleared'
/** The key of the jobs whose assignment the beacon of the block at `height` opened. */
export const assignedKey = (height: number): string => `assigned/${padded(height)}`
/** The key of the delivered jobs that settle at `height`. */
export const settlementKey = (height: number): string => `settlement/${padded(height)}`
/** The first height whose receipts have not settled, while some wait for a verifier. */
export const SETTLEMENT_FROM_KEY = 'settlement-from'
/** How many verifiers are active. */
export const VERIFIERS_KEY = 'verifiers'
/** The key of a miner's weight. */
export const weightKey = (publicKey: Uint8Array): string => `weight/${bytesToHex(publicKey)}`
/** The key of the win that counts from `height` on. */
export const wonKey = (height: number): string => `won/${padded(height)}`
/** The key of the work of all blocks of a lane. */
export const workKey = (lane: Lane): string => `work/${LANE_NAMES[lane]}`
/** The key of the MACs of all jobs that have settled. */
export const SETTLED_MACS_KEY = 'work/settled'
/** The key of a recent block's id. */
export const blockIdKey = (height: number): string => `block/${padded(height)}`

/** The key of a delivered unit that can still be audited, by its job (AUD-4). */
export const auditKey = (jobId: Uint8Array): string => `audit/${bytesToHex(jobId)}`
/** The key of the jobs whose units can no longer be audited from `height` on. */
export const auditEndKey = (height: number): string => `audit-end/${padded(height)}`
/** The key of how many units a miner has delivered (AUD-2). */
export const unitCountKey = (publicKey: Uint8Array): string => `units/${bytesToHex(publicKey)}`
/** The key of a committed accusation: 32 bytes that bind its sender. */
export const accusationKey = (sender: Uint8Array, commitment: Uint8Array): string =>
  `accusation/${bytesToHex(sender)}-${bytesToHex(commitment)}`
/** The key of the accusations whose time is over at `height`. */
export const accusationEndKey = (height: number): string => `accusation-end/${padded(height)}`
/** The key of the verifiers that committed to a secret for an epoch (AUD-1). */
export const auditorsKey = (epoch: number): string => `auditors/${padded(epoch)}`
/** The key of one verifier's secret of an epoch. */
export const auditorKey = (epoch: number, publicKey: Uint8Array): string =>
  `auditor/${padded(epoch)}-${bytesToHex(publicKey)}`
/** The key of the verdicts on a unit, by its job (AUD-5). */
export const verdictsKey = (jobId: Uint8Array): string => `verdicts/${bytesToHex(jobId)}`
/** The key of the challenges of a unit, by its job (AUD-3). */
export const challengesKey = (jobId: Uint8Array): string => `challenges/${bytesToHex(jobId)}`
/** The key of the jobs with a challenge that comes due at `height`. */
export const challengesDueKey = (height: number): string => `challenges-due/${padded(height)}`
/** The key of the miners that committed to plants of an epoch (AUD-8). */
export const plantersKey = (epoch: number): string => `planters/${padded(epoch)}`
/** The key of one miner's plants of an epoch. */
export const planterKey = (epoch: number, publicKey: Uint8Array): string =>
  `planter/${padded(epoch)}-${bytesToHex(publicKey)}`
/** The key of what is known of a unit that may be a plant, by its job. */
export const suspicionKey = (jobId: Uint8Array): string => `suspicion/${bytesToHex(jobId)}`
/** The key of how many plants a verifier was to look at, and how many it found. */
export const foundKey = (publicKey: Uint8Array): string => `found/${bytesToHex(publicKey)}`
/** The key that marks a recent block as full (AUD-3). */
export const fullBlockKey = (height: number): string => `full/${padded(height)}`

/** Entries that are one amount in grains. Absent means 0. */
export const AMOUNT_KEYS = {
  /** Sum of all subsidies so far. */
  emitted: 'supply/emitted',
  /** Everything destroyed so far. */
  burned: 'supply/burned',
  /** Created in genesis for the team account. */
  premine: 'supply/premine',
  /** Created in genesis for the faucet. */
  faucet: 'supply/faucet',
  /** Withheld from bootstrap blocks, released by and by (ECO-3). */
  deferred: 'deferred',
  /** The verifiers' share of subsidies. */
  verifierPool: 'verifier-pool',
  /** Not grains but a bound: what premiums may still mint out of what prompts burned (ECO-3). */
  mintable: 'mintable',
} as const
export type AmountName = keyof typeof AMOUNT_KEYS
