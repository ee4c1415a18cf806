import type { Attack } from '../attack.ts'
import { challenges } from './availability/challenges.ts'
import { floods } from './availability/floods.ts'
import { requests } from './availability/sync.ts'

export const availability: readonly Attack[] = [...challenges, ...requests, ...floods]
