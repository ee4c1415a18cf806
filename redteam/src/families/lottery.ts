import type { Attack } from '../attack.ts'

export const lottery: readonly Attack[] = []
