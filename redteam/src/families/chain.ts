import type { Attack } from '../attack.ts'
import { forks } from './chain/forks.ts'
import { headers } from './chain/headers.ts'
import { times } from './chain/times.ts'

export const chain: readonly Attack[] = [...forks, ...headers, ...times]
