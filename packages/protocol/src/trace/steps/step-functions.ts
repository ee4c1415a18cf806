import type { StepKind } from '../types.ts'
import { attendStep } from './attend.ts'
import { embedStep } from './embed.ts'
import { ffnStep } from './ffn.ts'
import { headStep } from './head.ts'
import { inputStep } from './input.ts'
import { kvStep } from './kv.ts'
import { projStep } from './proj.ts'
import { shapeStep } from './shape.ts'
import type { StepView } from './view.ts'

/** Each kind's function: from opened inputs to the bytes that the trace must have committed to. */
export const STEP_FUNCTIONS: Readonly<Record<StepKind, (view: StepView) => Uint8Array>> = {
  shape: shapeStep,
  input: inputStep,
  embed: embedStep,
  kv: kvStep,
  attend: attendStep,
  proj: projStep,
  ffn: ffnStep,
  head: headStep,
}
