/** Jobs as `GET /jobs/:id` and the event `job` show them. */
import {
  type FieldReader,
  isAddress,
  isBoolean,
  isCount,
  isGrains,
  isHash,
  isHeight,
  isName,
  isTokens,
  reader,
} from './fields.ts'
import {
  JOB_STATUSES,
  type JobAuditView,
  type JobFeeView,
  type JobReceiptView,
  type JobStatus,
  type JobView,
  PLANT_STATES,
  type PlantState,
} from './job-view.ts'
import { get } from './request.ts'

const isStatus = (value: unknown): value is JobStatus => JOB_STATUSES.includes(value as JobStatus)

export async function readJob(rpc: string, id: string, interrupt?: AbortSignal): Promise<JobView> {
  const view = jobViewOf(rpc, await get(rpc, `/jobs/${id}`, interrupt))
  return { ...view, id }
}

/** Checks the shape of a job. Throws RpcError NOT_A_NODE. */
export function jobViewOf(rpc: string, value: unknown): JobView {
  const from = reader(rpc, 'a job', value)
  const has = (name: keyof JobView): boolean => from.from[name] !== undefined
  return {
    id: from.read('id', isHash),
    status: from.read('status', isStatus),
    ...from.optional('model', isName),
    ...from.optional('modelId', isHash),
    ...from.optional('client', isAddress),
    ...from.optional('promptTokens', isTokens),
    ...from.optional('maxNewTokens', isCount),
    ...(has('decoding') ? { decoding: decodingOf(from.object('decoding', 'a decoding')) } : {}),
    ...from.optional('maxPriceGrains', isGrains),
    ...from.optional('expiryHeight', isHeight),
    ...from.optional('postedHeight', isHeight),
    ...from.optional('endHeight', isHeight),
    ...from.optional('priceGrains', isGrains),
    ...from.optional('heldGrains', isGrains),
    ...from.optional('promptFeeGrains', isGrains),
    ...from.optional('promptBurnGrains', isGrains),
    ...from.optional('openedHeight', isHeight),
    ...from.optional('unitParentId', isHash),
    ...(has('ranks') ? { ranks: from.list('ranks', 'a rank').map(rankOf) } : {}),
    ...(has('receipt') ? { receipt: receiptOf(from.object('receipt', 'a receipt')) } : {}),
    ...from.optional('inputMacs', isCount),
    ...from.optional('outputMacs', isCount),
    ...(has('fee') ? { fee: feeOf(from.object('fee', 'a fee')) } : {}),
  }
}

const decodingOf = (from: FieldReader): NonNullable<JobView['decoding']> => ({
  temperatureMilli: from.read('temperatureMilli', isCount),
  seed: from.read('seed', isHash),
  stopAtEos: from.read('stopAtEos', isBoolean),
})

const rankOf = (from: FieldReader): NonNullable<JobView['ranks']>[number] => ({
  minerKey: from.read('minerKey', isHash),
  firstHeight: from.read('firstHeight', isHeight),
  lastHeight: from.read('lastHeight', isHeight),
})

const receiptOf = (from: FieldReader): JobReceiptView => ({
  minerKey: from.read('minerKey', isHash),
  rank: from.read('rank', isCount),
  tokens: from.read('tokens', isTokens),
  traceRoot: from.read('traceRoot', isHash),
  unitParentId: from.read('unitParentId', isHash),
  transactionId: from.read('transactionId', isHash),
  ...from.optional('height', isHeight),
  isAudited: from.read('isAudited', isBoolean),
  ...(from.from.audit === undefined ? {} : { audit: auditOf(from.object('audit', 'an audit')) }),
})

const isPlantState = (value: unknown): value is PlantState => (PLANT_STATES as readonly unknown[]).includes(value)

const auditOf = (from: FieldReader): JobAuditView => ({
  ratePpm: from.read('ratePpm', isCount),
  verdicts: from.read('verdicts', isCount),
  challenges: from.read('challenges', isCount),
  openChallenges: from.read('openChallenges', isCount),
  isCondemned: from.read('isCondemned', isBoolean),
  ...from.optional('plant', isPlantState),
  ...from.optional('endHeight', isHeight),
})

const feeOf = (from: FieldReader): JobFeeView => ({
  inputGrains: from.read('inputGrains', isGrains),
  outputGrains: from.read('outputGrains', isGrains),
  burnedGrains: from.read('burnedGrains', isGrains),
  verifierGrains: from.read('verifierGrains', isGrains),
  minerGrains: from.read('minerGrains', isGrains),
  returnedGrains: from.read('returnedGrains', isGrains),
})
