export { forwardOpenings, type OwnOpenings } from './forward-openings.ts'
export { OpeningsSource } from './openings-source.ts'
export { UnitAuditor, type UnitAuditorOptions } from './unit-auditor.ts'
export { Verifier, type VerifierOptions } from './verifier.ts'
