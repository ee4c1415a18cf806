import type { Attack } from '../attack.ts'
import { challenges } from './availability/challenges.ts'
import { crowding } from './availability/crowding.ts'
import { floods } from './availability/floods.ts'
import { requests } from './availability/sync.ts'

export const availability: readonly Attack[] = [...challenges, ...crowding, ...requests, ...floods]
