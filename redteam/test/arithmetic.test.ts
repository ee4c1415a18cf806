/** Attacks of the family "arithmetic", each with the code that stops it. */
import { arithmetic } from '../src/families/arithmetic.ts'
import { testFamily } from './test-family.ts'

testFamily('arithmetic', arithmetic)
