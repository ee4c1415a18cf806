import type { Attack } from '../attack.ts'

export const chain: readonly Attack[] = []
