import type { Attack } from '../attack.ts'
import { draws } from './lottery/draws.ts'
import { lotteryNodes } from './lottery/nodes.ts'
import { owners } from './lottery/owners.ts'
import { proofs } from './lottery/proofs.ts'

export const lottery: readonly Attack[] = [...draws, ...proofs, ...owners, ...lotteryNodes]
