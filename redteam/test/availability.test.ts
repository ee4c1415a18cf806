/** Attacks of the family "availability", each with the code that stops it. */
import { availability } from '../src/families/availability.ts'
import { testFamily } from './test-family.ts'

testFamily('availability', availability)
