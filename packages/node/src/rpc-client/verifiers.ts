/** Verifiers as `GET /verifiers` shows them. */
import { type FieldReader, isCount, isGrains, isHash, isHeight, isText, reader } from './fields.ts'
import { get } from './request.ts'

export interface VerifierView {
  readonly verifierKey: string
  readonly address: string
  readonly bondGrains: string
  /** Registered, and not on its way out. */
  readonly isActive: boolean
  /** Planted faults that its secrets chose, and those of them that it found, since its registration (AUD-8). */
  readonly planted: number
  readonly found: number
}

/** In the order of their keys. */
export interface VerifiersView {
  readonly height: number
  readonly verifiers: readonly VerifierView[]
}

/** Registered verifiers, and what each has found of the faults that were planted for it. */
export async function readVerifierList(rpc: string, interrupt?: AbortSignal): Promise<VerifiersView> {
  const answer = reader(rpc, '/verifiers', await get(rpc, '/verifiers', interrupt))
  return {
    height: answer.read('height', isHeight),
    verifiers: answer.list('verifiers', 'a verifier').map(verifierOf),
  }
}

const verifierOf = (from: FieldReader): VerifierView => ({
  verifierKey: from.read('verifierKey', isHash),
  address: from.read('address', isText),
  bondGrains: from.read('bondGrains', isGrains),
  isActive: from.read('isActive', (value): value is boolean => typeof value === 'boolean'),
  planted: from.read('planted', isCount),
  found: from.read('found', isCount),
})
