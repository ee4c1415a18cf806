import type { Attack } from '../attack.ts'
import { winners } from './usefulness/winners.ts'

export const usefulness: readonly Attack[] = [...winners]
