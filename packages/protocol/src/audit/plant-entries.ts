/** State entries of planted faults: codecs, typed reading and writing (AUD-8). */
import * as P from 'micro-packed'
import { boundedReadonlyList, bytes32, type Codec, defineCodec, optional, u32 } from '../codec.ts'
import { readEntry, writeEntry, writeListEntry } from '../ledger/entries.ts'
import { foundKey, planterKey, plantersKey, suspicionKey } from '../ledger/keys.ts'
import type { StateDraft, StateReader } from '../ledger/state.ts'
import { MAX_EPOCH_PLANTERS, MAX_FINDERS, MAX_PLANTS } from '../limits.ts'

/** A miner that has committed to the plants of an epoch. */
export interface Planter {
  readonly commitment: Uint8Array
  /** Once revealed. */
  readonly secret: Uint8Array | undefined
  /** Jobs whose units were shown to be wrong before the secret was; at most MAX_PLANTS. */
  readonly suspects: readonly Uint8Array[]
}

/** What is known of a unit that is, or may be, a plant. */
export interface Suspicion {
  /** Public keys of those who showed the fault, in their order; the first has the bounty if it is fraud. */
  readonly finders: readonly Uint8Array[]
  /** Height of the first one's accusation, or of the block that its challenge was due in; 0 without a finder. */
  readonly accusedHeight: number
  /** Once the miner has shown that it is a plant: the root of the honest trace. */
  readonly honestRoot: Uint8Array | undefined
}

/** Plants on which a verifier's secret fell, and those of them in which it found the fault. */
export interface FoundCounts {
  readonly planted: number
  readonly found: number
}

export const plantersCodec: Codec<readonly Uint8Array[]> = defineCodec<readonly Uint8Array[]>(
  'planters',
  boundedReadonlyList(MAX_EPOCH_PLANTERS, bytes32),
  4 + 32 * MAX_EPOCH_PLANTERS,
)
export const planterCodec: Codec<Planter> = defineCodec<Planter>(
  'planter',
  P.struct({
    commitment: bytes32,
    secret: optional(bytes32),
    suspects: boundedReadonlyList(MAX_PLANTS, bytes32),
  }) as unknown as P.CoderType<Planter>,
  32 + 4 + 32 + 4 + 32 * MAX_PLANTS,
)
export const suspicionCodec: Codec<Suspicion> = defineCodec<Suspicion>(
  'suspicion',
  P.struct({
    finders: boundedReadonlyList(MAX_FINDERS, bytes32),
    accusedHeight: u32,
    honestRoot: optional(bytes32),
  }) as unknown as P.CoderType<Suspicion>,
  4 + 32 * MAX_FINDERS + 4 + 4 + 32,
)
export const foundCountsCodec: Codec<FoundCounts> = defineCodec<FoundCounts>(
  'found counts',
  P.struct({ planted: u32, found: u32 }),
  8,
)

/** Public keys of the miners that committed to plants of an epoch, in the order in which they did. */
export const readPlanters = (reader: StateReader, epoch: number): readonly Uint8Array[] =>
  readEntry(reader, plantersKey(epoch), plantersCodec) ?? []
export const readPlanter = (reader: StateReader, epoch: number, minerKey: Uint8Array): Planter | undefined =>
  readEntry(reader, planterKey(epoch, minerKey), planterCodec)
/** @param jobId 32 bytes. */
export const readSuspicion = (reader: StateReader, jobId: Uint8Array): Suspicion | undefined =>
  readEntry(reader, suspicionKey(jobId), suspicionCodec)
/** @param verifier public key. */
export const readFoundCounts = (reader: StateReader, verifier: Uint8Array): FoundCounts =>
  readEntry(reader, foundKey(verifier), foundCountsCodec) ?? { planted: 0, found: 0 }

export const writePlanters = (draft: StateDraft, epoch: number, keys: readonly Uint8Array[]): void =>
  writeListEntry(draft, plantersKey(epoch), plantersCodec, keys)
export const writePlanter = (
  draft: StateDraft,
  epoch: number,
  minerKey: Uint8Array,
  planter: Planter | undefined,
): void => writeEntry(draft, planterKey(epoch, minerKey), planterCodec, planter)
export const writeSuspicion = (draft: StateDraft, jobId: Uint8Array, suspicion: Suspicion | undefined): void =>
  writeEntry(draft, suspicionKey(jobId), suspicionCodec, suspicion)
export const writeFoundCounts = (draft: StateDraft, verifier: Uint8Array, counts: FoundCounts): void =>
  writeEntry(draft, foundKey(verifier), foundCountsCodec, counts)
