/** Attacks of the family "lottery", each with the code that stops it. */
import { lottery } from '../src/families/lottery.ts'
import { testFamily } from './test-family.ts'

testFamily('lottery', lottery)
