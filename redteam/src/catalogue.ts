import type { Attack, Family } from './attack.ts'
import { arithmetic } from './families/arithmetic.ts'
import { availability } from './families/availability.ts'
import { chain } from './families/chain.ts'
import { commitment } from './families/commitment.ts'
import { lottery } from './families/lottery.ts'
import { randomness } from './families/randomness.ts'
import { replay } from './families/replay.ts'
import { usefulness } from './families/usefulness.ts'
import { verifiers } from './families/verifiers.ts'

/** All attacks by family, in the order of docs/security/attacks.md. */
export const CATALOGUE: Readonly<Record<Family, readonly Attack[]>> = {
  arithmetic,
  commitment,
  lottery,
  randomness,
  replay,
  usefulness,
  verifiers,
  availability,
  chain,
}
