import type { Attack } from '../attack.ts'

export const commitment: readonly Attack[] = []
