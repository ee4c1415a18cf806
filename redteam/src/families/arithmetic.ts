import type { Attack } from '../attack.ts'

export const arithmetic: readonly Attack[] = []
