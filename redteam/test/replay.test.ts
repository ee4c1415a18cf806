/** Attacks of the family "replay", each with the code that stops it. */
import { replay } from '../src/families/replay.ts'
import { testFamily } from './test-family.ts'

testFamily('replay', replay)
