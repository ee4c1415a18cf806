/** Attacks of the family "randomness", each with the code that stops it. */
import { randomness } from '../src/families/randomness.ts'
import { testFamily } from './test-family.ts'

testFamily('randomness', randomness)
