/** Verification of plain proofs (chapter 12), from the least to the largest. */
import { PROOF_NAMES, type ProofName } from './pearl/proofs.ts'
import type { SectionSpec } from './section.ts'

export const pearlRow = (proof: ProofName): string => `pearl/nacre/${proof}`

export function pearlSection(rounds: number, warmUps: number, budgetMs: number): SectionSpec {
  return {
    id: 'pearl',
    topic: 'pearl',
    group: '',
    title: 'Verification of plain proofs',
    ...{ rounds, warmUps, budgetMs },
    rows: PROOF_NAMES.map((proof) => ({
      id: pearlRow(proof),
      subject: 'nacre',
      label: proof,
      job: { kind: 'pearl', proof },
    })),
    ratios: [],
  }
}
