/** Values of the state entries: codecs, and typed reading and writing. Zero values are deleted, so that equal states have equal entries. */
import * as P from 'micro-packed'
import { boundedBytes, boundedList, bytes32, type Codec, defineCodec, fixedBytes, u8, u32, u64 } from '../codec.ts'
import { ADDRESS_BYTES } from '../keys.ts'
import { MAX_BLOCK_TRANSACTIONS } from '../limits.ts'
import {
  AMOUNT_KEYS,
  type AmountName,
  accountKey,
  barredKey,
  foundKey,
  immatureKey,
  ROLE_MINER,
  ROLE_VERIFIER,
  type Role,
  registrationKey,
  unbondingKey,
} from './keys.ts'
import type { StateDraft, StateReader } from './state.ts'

/** Heights whose receipts one block settles, at most: a backlog shrinks by one per block. */
export const MAX_SETTLED_HEIGHTS = 2
/** Amounts that mature at one height: a miner, a team, and a receipt for each transaction of the heights settled together. */
export const MAX_IMMATURE_ENTRIES: number = 2 + MAX_SETTLED_HEIGHTS * MAX_BLOCK_TRANSACTIONS
/** Registrations that end at one height: at most one per transaction of the block that asked. */
export const MAX_UNBONDING_ENTRIES: number = MAX_BLOCK_TRANSACTIONS

/** Matured grains and the number of transactions sent so far. */
export interface Account {
  readonly balance: bigint
  readonly nonce: bigint
}

/** A registered key (ECO-1). Present while its bond is locked. */
export interface Registration {
  /** Grains locked. */
  readonly bond: bigint
  readonly registeredHeight: number
  /** Height at which the bond returns; 0 while active. */
  readonly unbondingHeight: number
}

/** Grains that become spendable at a height (ECO-8). */
export interface ImmatureEntry {
  /** 20 bytes: who gets them. */
  readonly account: Uint8Array
  readonly grains: bigint
  /** The key whose fraud forfeits them, 32 bytes; empty for the team share, which nobody's fraud forfeits. */
  readonly minerKey: Uint8Array
}

/** A registration that ends. */
export interface UnbondingEntry {
  readonly role: Role
  readonly publicKey: Uint8Array
}

/** A role tag: 0 miner, 1 verifier. */
export const roleCoder: P.CoderType<Role> = P.validate(u8 as P.CoderType<Role>, (role) => {
  if (role !== ROLE_MINER && role !== ROLE_VERIFIER) throw new Error(`role ${role} does not exist`)
  return role
})
const keyOrNone: P.CoderType<Uint8Array> = P.validate(boundedBytes(32), (key) => {
  if (key.length !== 0 && key.length !== 32) throw new Error(`a key has 32 bytes, not ${key.length}`)
  return key
})

export const accountCodec: Codec<Account> = defineCodec('account', P.struct({ balance: u64, nonce: u64 }), 16)
export const registrationCodec: Codec<Registration> = defineCodec(
  'registration',
  P.struct({ bond: u64, registeredHeight: u32, unbondingHeight: u32 }),
  16,
)
export const immatureCodec: Codec<readonly ImmatureEntry[]> = defineCodec(
  'immature entries',
  boundedList(
    MAX_IMMATURE_ENTRIES,
    P.struct({ account: fixedBytes(ADDRESS_BYTES), grains: u64, minerKey: keyOrNone }),
  ) as unknown as P.CoderType<readonly ImmatureEntry[]>,
  4 + MAX_IMMATURE_ENTRIES * (ADDRESS_BYTES + 8 + 4 + 32),
)
export const unbondingCodec: Codec<readonly UnbondingEntry[]> = defineCodec(
  'unbonding entries',
  boundedList(MAX_UNBONDING_ENTRIES, P.struct({ role: roleCoder, publicKey: bytes32 })) as unknown as P.CoderType<
    readonly UnbondingEntry[]
  >,
  4 + MAX_UNBONDING_ENTRIES * 33,
)
/** One amount in grains. */
export const amountCodec: Codec<bigint> = defineCodec('amount', u64, 8)
/** The height at which a key was barred. */
export const barredCodec: Codec<number> = defineCodec('barred', u32, 4)

const NO_ACCOUNT: Account = { balance: 0n, nonce: 0n }

/** The decoded entry under `key`, if there is one. */
export function readEntry<T>(reader: StateReader, key: string, codec: Codec<T>): T | undefined {
  const value = reader.get(key)
  return value === undefined ? undefined : codec.decode(value)
}

/** Balance and nonce of a 20-byte account; zeros where there is no entry. */
export function readAccount(reader: StateReader, account: Uint8Array): Account {
  return readEntry(reader, accountKey(account), accountCodec) ?? NO_ACCOUNT
}

/** The registration of a public key in a role, if there is one, active or unbonding. */
export function readRegistration(reader: StateReader, role: Role, publicKey: Uint8Array): Registration | undefined {
  return readEntry(reader, registrationKey(role, publicKey), registrationCodec)
}

/** What matures at `height`. */
export function readImmature(reader: StateReader, height: number): readonly ImmatureEntry[] {
  return readEntry(reader, immatureKey(height), immatureCodec) ?? []
}

/** The registrations that end at `height`. */
export function readUnbonding(reader: StateReader, height: number): readonly UnbondingEntry[] {
  return readEntry(reader, unbondingKey(height), unbondingCodec) ?? []
}

/** True if `publicKey` may neither mine nor register. */
export function isBarred(reader: StateReader, publicKey: Uint8Array): boolean {
  return reader.get(barredKey(publicKey)) !== undefined
}

/** One of the amounts of the state, in grains. */
export function readAmount(reader: StateReader, name: AmountName): bigint {
  return readEntry(reader, AMOUNT_KEYS[name], amountCodec) ?? 0n
}

export function writeAccount(draft: StateDraft, account: Uint8Array, value: Account): void {
  const isZero = value.balance === 0n && value.nonce === 0n
  draft.set(accountKey(account), isZero ? undefined : accountCodec.encode(value))
}

export function writeRegistration(
  draft: StateDraft,
  role: Role,
  publicKey: Uint8Array,
  value: Registration | undefined,
): void {
  draft.set(registrationKey(role, publicKey), value === undefined ? undefined : registrationCodec.encode(value))
  // What a verifier found belongs to its registration (AUD-8).
  if (role === ROLE_VERIFIER && value === undefined) draft.set(foundKey(publicKey), undefined)
}

export function writeImmature(draft: StateDraft, height: number, entries: readonly ImmatureEntry[]): void {
  draft.set(immatureKey(height), entries.length === 0 ? undefined : immatureCodec.encode(entries))
}

/** Adds to what matures at `height`; amounts of 0 are left out. */
export function addImmature(draft: StateDraft, height: number, entries: readonly ImmatureEntry[]): void {
  const added = entries.filter(({ grains }) => grains > 0n)
  if (added.length > 0) writeImmature(draft, height, [...readImmature(draft, height), ...added])
}

export function writeUnbonding(draft: StateDraft, height: number, entries: readonly UnbondingEntry[]): void {
  draft.set(unbondingKey(height), entries.length === 0 ? undefined : unbondingCodec.encode(entries))
}

export function writeBarred(draft: StateDraft, publicKey: Uint8Array, height: number): void {
  draft.set(barredKey(publicKey), barredCodec.encode(height))
}

export function writeAmount(draft: StateDraft, name: AmountName, grains: bigint): void {
  draft.set(AMOUNT_KEYS[name], grains === 0n ? undefined : amountCodec.encode(grains))
}

/** Adds matured grains to an account. */
export function credit(draft: StateDraft, account: Uint8Array, grains: bigint): void {
  const before = readAccount(draft, account)
  writeAccount(draft, account, { ...before, balance: before.balance + grains })
}

/** Adds grains to one of the amounts of the state. */
export function addAmount(draft: StateDraft, name: AmountName, grains: bigint): void {
  writeAmount(draft, name, readAmount(draft, name) + grains)
}

/** Writes an entry, or deletes it where there is no value. */
export function writeEntry<T>(draft: StateDraft, key: string, codec: Codec<T>, value: T | undefined): void {
  draft.set(key, value === undefined ? undefined : codec.encode(value))
}

/** {@link writeEntry} of a list: an empty one is no entry. */
export function writeListEntry<T>(
  draft: StateDraft,
  key: string,
  codec: Codec<readonly T[]>,
  list: readonly T[],
): void {
  writeEntry(draft, key, codec, list.length === 0 ? undefined : list)
}
