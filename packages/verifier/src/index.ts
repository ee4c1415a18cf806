export { Verifier, type VerifierOptions } from './verifier.ts'
