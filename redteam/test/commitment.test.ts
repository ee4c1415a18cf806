/** Attacks of the family "commitment", each with the code that stops it. */
import { commitment } from '../src/families/commitment.ts'
import { testFamily } from './test-family.ts'

testFamily('commitment', commitment)
