import { check } from '../errors.ts'
import { MAX_RESPONSE_BYTES, MAX_STEP_OPENING_BYTES } from '../limits.ts'
import { checkTicketProofFits } from '../lottery/proof-size.ts'
import { TICKET_OPS, ticketShape, unitTickets } from '../lottery/tickets.ts'
import { unitMacs } from '../model/macs.ts'
import type { ModelDims } from '../model/types.ts'
import type { ModelParams, Params } from '../params/types.ts'
import { maxStepOpeningBytes } from '../trace/opening-size.ts'
import { maxStepMacs } from '../trace/step-weights.ts'

/**
 * What parameters demand of a model's dimensions, checked once when both are known, so that no block can run into it later:
 * the rank divides the width (WRK-2), a unit draws tickets, proofs and openings fit (WRK-7, TRC-4), and bootstrap units fit the
 * model's sequence and the bound on MACs (JOB-3). Throws PARAM_CONTRADICTION.
 */
export function checkModelFits(params: Params, modelParams: ModelParams, dims: ModelDims): void {
  const {
    bootstrapPromptTokens: promptTokens,
    bootstrapNewTokens: newTokens,
    maxUnitMacs,
    maxPromptTokens,
  } = params.units
  for (const op of TICKET_OPS) ticketShape(dims, modelParams, op, promptTokens)
  check(
    unitTickets(dims, modelParams, promptTokens) > 0,
    'PARAM_CONTRADICTION',
    'a bootstrap unit has no full tile, so it cannot win',
  )
  checkTicketProofFits(dims, modelParams, Math.max(promptTokens, Math.min(maxPromptTokens, dims.maxSeqLen)))
  const positions = promptTokens + newTokens - 1
  check(
    positions <= dims.maxSeqLen,
    'PARAM_CONTRADICTION',
    `a bootstrap unit has ${positions} positions, the model ${dims.maxSeqLen}`,
  )
  const macs = unitMacs(dims, promptTokens, newTokens)
  check(
    macs <= maxUnitMacs,
    'PARAM_CONTRADICTION',
    `a bootstrap unit costs ${macs} MACs, units.maxUnitMacs is ${maxUnitMacs}`,
  )
  checkAuditsFit(params, dims)
}

/** TRC-4, AUD-3, AUD-4: openings fit, the proofs of a block cost no more MACs than one largest unit, challenges can be answered. */
function checkAuditsFit({ audits, units }: Params, dims: ModelDims): void {
  const { maxPromptTokens, maxNewTokens, maxUnitMacs } = units
  const longestPrompt = Math.min(maxPromptTokens, dims.maxSeqLen)
  const longestNew = Math.max(1, Math.min(maxNewTokens, dims.maxSeqLen - longestPrompt + 1))
  const openingBytes = maxStepOpeningBytes(dims, longestPrompt, longestNew)
  check(
    openingBytes <= MAX_STEP_OPENING_BYTES,
    'PARAM_CONTRADICTION',
    `a step of the longest unit opens to ${openingBytes} bytes, the limit is ${MAX_STEP_OPENING_BYTES} (TRC-4)`,
  )
  if (audits.mode === 'off') return
  const steps = audits.maxProofsPerBlock + 2 * audits.maxChallengesPerBlock
  const macs = steps * maxStepMacs({ promptTokens: longestPrompt, newTokens: longestNew, dims })
  check(
    macs <= maxUnitMacs,
    'PARAM_CONTRADICTION',
    `${steps} proofs and responses in a block cost ${macs} MACs, units.maxUnitMacs is ${maxUnitMacs} (TRC-4)`,
  )
  const asked = audits.maxChallengesPerBlock * openingBytes
  check(
    asked <= MAX_RESPONSE_BYTES,
    'PARAM_CONTRADICTION',
    `the challenges of a block ask for ${asked} bytes, a block has room for ${MAX_RESPONSE_BYTES} (AUD-3)`,
  )
}
