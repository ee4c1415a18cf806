import type { Attack } from '../attack.ts'

export const replay: readonly Attack[] = []
