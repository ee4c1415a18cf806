/** Attacks of the family "chain", each with the code that stops it. */
import { chain } from '../src/families/chain.ts'
import { testFamily } from './test-family.ts'

testFamily('chain', chain)
