/** What a header of the open lane claims, and the plain proof that backs it (chapter 12). */
import { equalBytes } from '../bytes.ts'
import { check } from '../errors.ts'
import type { KeyedHash } from '../hash.ts'
import type { OpenParams } from '../params/types.ts'
import { encodeConfiguration } from '../pearl/configuration.ts'
import { encodeHeader } from '../pearl/header.ts'
import { type VerifiedProof, verifyPlainProof } from '../pearl/verify-plain-proof.ts'
import type { UnitDescriptor } from '../unit/types.ts'
import { type OpenRules, openRules } from './open-rules.ts'
import { configurationBytes, openPearlHeader } from './open-unit.ts'

/** Plain data, so that another thread can check it. */
export interface OpenClaim {
  /** The Pearl header of the work, 76 bytes, and its configuration, 52 bytes. */
  readonly pearlHeader: Uint8Array
  readonly configuration: Uint8Array
  /** Seed of A's noise and key of the ticket, 32 bytes. */
  readonly seedA: Uint8Array
  /** 16 words. */
  readonly foldState: Uint32Array
  /** Of the network. */
  readonly rules: OpenRules
}

/** The fields of a block header that make its claim: in the open lane `traceRoot` is the seed of A's noise. */
export interface OpenHeader {
  readonly unit: UnitDescriptor
  readonly minerKey: Uint8Array
  readonly bits: number
  readonly traceRoot: Uint8Array
  readonly foldState: Uint32Array
}

export function openClaim({ unit, minerKey, bits, traceRoot, foldState }: OpenHeader, params: OpenParams): OpenClaim {
  return {
    pearlHeader: encodeHeader(openPearlHeader(unit, minerKey, bits)),
    configuration: configurationBytes(unit),
    seedA: traceRoot,
    foldState,
    rules: openRules(params),
  }
}

/**
 * Verifies the plain proof of a claim. About a millisecond for tiles of common size.
 * Throws PEARL_* of `verifyPlainProof`, PEARL_CONFIGURATION where the proof is of another configuration than the claim, and
 * TICKET_STATE_MISMATCH where it proves another seed or fold state.
 * @param proof the bytes of `encodePlainProof`.
 */
export function verifyOpenProof(claim: OpenClaim, proof: Uint8Array, hash?: KeyedHash): VerifiedProof {
  const verified = verifyPlainProof(claim.pearlHeader, proof, {
    ...claim.rules,
    ...(hash === undefined ? {} : { hash }),
  })
  check(
    equalBytes(encodeConfiguration(verified.configuration), claim.configuration),
    'PEARL_CONFIGURATION',
    'the proof is of another configuration than the header names',
  )
  const isProved =
    equalBytes(verified.seedA, claim.seedA) && verified.state.every((word, i) => word === claim.foldState[i])
  check(isProved, 'TICKET_STATE_MISMATCH', 'the proof is of another ticket than the header claims')
  return verified
}
