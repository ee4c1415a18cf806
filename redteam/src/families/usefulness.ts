import type { Attack } from '../attack.ts'

export const usefulness: readonly Attack[] = []
