import type { Attack } from '../attack.ts'
import { bulk } from './arithmetic/bulk.ts'
import { models } from './arithmetic/models.ts'
import { steps } from './arithmetic/steps.ts'

export const arithmetic: readonly Attack[] = [...steps, ...bulk, ...models]
