/** Names of the state entries. Keys are ASCII text; heights are padded so that text order is number order. */
import { bytesToHex } from '../bytes.ts'

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
} as const
export type AmountName = keyof typeof AMOUNT_KEYS
