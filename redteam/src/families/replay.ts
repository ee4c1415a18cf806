import type { Attack } from '../attack.ts'
import { commitments } from './replay/commitments.ts'
import { replayNodes } from './replay/nodes.ts'
import { notStopped } from './replay/not-stopped.ts'
import { receipts } from './replay/receipts.ts'

export const replay: readonly Attack[] = [...receipts, ...commitments, ...replayNodes, ...notStopped]
