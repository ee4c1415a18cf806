import type { Attack } from '../attack.ts'
import { answers } from './usefulness/answers.ts'
import { demand } from './usefulness/market.ts'
import { relays } from './usefulness/relays.ts'
import { winners } from './usefulness/winners.ts'

export const usefulness: readonly Attack[] = [...winners, ...demand, ...answers, ...relays]
