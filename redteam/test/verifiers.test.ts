/** Attacks of the family "verifiers", each with the code that stops it. */
import { verifiers } from '../src/families/verifiers.ts'
import { testFamily } from './test-family.ts'

testFamily('verifiers', verifiers)
