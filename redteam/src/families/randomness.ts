import type { Attack } from '../attack.ts'

export const randomness: readonly Attack[] = []
