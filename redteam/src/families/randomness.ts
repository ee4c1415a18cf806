import type { Attack } from '../attack.ts'
import { beacons } from './randomness/beacons.ts'
import { randomnessNodes } from './randomness/nodes.ts'
import { samples } from './randomness/samples.ts'

export const randomness: readonly Attack[] = [...beacons, ...samples, ...randomnessNodes]
