import type { Attack } from '../attack.ts'
import { encodings } from './commitment/encodings.ts'
import { headers } from './commitment/headers.ts'
import { commitmentNodes } from './commitment/nodes.ts'
import { openings } from './commitment/openings.ts'
import { pearlProofs } from './commitment/pearl.ts'
import { trees } from './commitment/trees.ts'

export const commitment: readonly Attack[] = [
  ...trees,
  ...openings,
  ...encodings,
  ...headers,
  ...pearlProofs,
  ...commitmentNodes,
]
