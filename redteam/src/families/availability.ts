import type { Attack } from '../attack.ts'

export const availability: readonly Attack[] = []
