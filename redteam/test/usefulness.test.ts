/** Attacks of the family "usefulness", each with the code that stops it. */
import { usefulness } from '../src/families/usefulness.ts'
import { testFamily } from './test-family.ts'

testFamily('usefulness', usefulness)
