import type { Attack } from '../attack.ts'

export const verifiers: readonly Attack[] = []
