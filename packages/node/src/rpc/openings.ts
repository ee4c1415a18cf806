/** Openings of delivered units for whoever is no peer: the clients of AUD-7. */
import {
  type AuditedUnit,
  bytesToHex,
  checkStepRef,
  hexToBytes,
  readAuditedUnit,
  registeredModel,
  STEP_KINDS,
  type StepKind,
  type StepRef,
} from '@nacre/protocol'
import type { FastifyInstance } from 'fastify'
import { MAX_RPC_OPENINGS, MAX_STEPS_PER_REQUEST, RPC_OPENINGS_MS } from '../limits-chain.ts'
import type { FullNode } from '../node.ts'
import type { OpeningsView } from '../rpc-client/openings.ts'

/** What looking for openings has come to: encoded ones, perhaps not of all steps, and then why not. */
export interface OpenedSteps {
  readonly openings: readonly Uint8Array[]
  readonly reason?: string
}

/** Brings openings of steps of a unit that can be audited, from this node or its peers. Rejects only where the node is at fault. */
export type OpenSteps = (
  jobId: Uint8Array,
  unit: AuditedUnit,
  steps: readonly StepRef[],
  signal: AbortSignal,
) => Promise<OpenedSteps>

const HEX32 = /^[0-9a-f]{64}$/

/**
 * `POST /jobs/:id/openings`: forwards a request for openings. What comes back is for the client to check. Few at once, since each waits
 * for peers, and none longer than RPC_OPENINGS_MS.
 */
export function addOpeningsRoute(app: FastifyInstance, node: FullNode, open: OpenSteps | undefined): void {
  let underWay = 0
  app.post<{ Params: { id: string }; Body: { steps?: unknown } }>('/jobs/:id/openings', async (request, reply) => {
    const refuse = (status: number, code: string, message: string) =>
      reply.code(status).send({ error: { code, message } })
    const { id } = request.params
    if (!HEX32.test(id)) return refuse(404, 'NOT_FOUND', `no job id: ${id}`)
    const steps = stepsOf(request.body?.steps)
    if (steps === undefined)
      return refuse(
        400,
        'BAD_REQUEST',
        `"steps" must be 1 to ${MAX_STEPS_PER_REQUEST} steps of kind, layer, group, position`,
      )
    if (open === undefined) return refuse(501, 'NO_OPENINGS', 'this node forwards no requests for openings')
    const jobId = hexToBytes(id)
    const unit = readAuditedUnit(node.chain.reader, jobId)
    if (unit === undefined)
      return refuse(
        404,
        'AUDIT_UNIT',
        'no unit of this job is open to audits: openings are owed from the block of the receipt until the payment matures',
      )
    const { promptTokens, newTokens, modelId } = unit
    for (const step of steps)
      checkStepRef({ promptTokens, newTokens, dims: registeredModel(node.context, modelId).model.config }, step)
    if (underWay >= MAX_RPC_OPENINGS) return refuse(503, 'BUSY', `${underWay} requests for openings are under way`)
    underWay++
    const late = AbortSignal.timeout(RPC_OPENINGS_MS)
    const opening = open(jobId, unit, steps, late).finally(() => underWay--)
    const { openings, reason } = await Promise.race([opening, whenLate(late)])
    const view: OpeningsView = { openings: openings.map(bytesToHex), ...(reason === undefined ? {} : { reason }) }
    return view
  })
}

/** A peer that is being asked has its own deadline; whoever waits here is told when this one is over. */
function whenLate(signal: AbortSignal): Promise<OpenedSteps> {
  return new Promise((resolve) => {
    const reason = `no openings within ${RPC_OPENINGS_MS / 1000} s`
    signal.addEventListener('abort', () => resolve({ openings: [], reason }), { once: true })
  })
}

/** Undefined for anything but a list of steps within bounds. */
function stepsOf(value: unknown): StepRef[] | undefined {
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_STEPS_PER_REQUEST) return undefined
  const steps: StepRef[] = []
  for (const each of value as unknown[]) {
    const { kind, layer, group, position } = (each ?? {}) as Record<string, unknown>
    if (!STEP_KINDS.includes(kind as StepKind) || !isU32(layer) || !isU32(group) || !isU32(position)) return undefined
    steps.push({ kind: kind as StepKind, layer, group, position })
  }
  return steps
}

const isU32 = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32
