import type { Attack } from '../attack.ts'
import { accusations } from './verifiers/accusations.ts'
import { collusion } from './verifiers/collusion.ts'
import { verdicts } from './verifiers/verdicts.ts'

export const verifiers: readonly Attack[] = [...verdicts, ...accusations, ...collusion]
