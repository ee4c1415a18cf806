/** What a client needs to check an answer by itself (AUD-7): signed transactions and openings, both for it to verify. */
import { bytesToHex, hexToBytes, MAX_STEP_OPENING_BYTES, type StepRef } from '@nacre/protocol'
import { notNode } from './errors.ts'
import { isText, reader } from './fields.ts'
import { get, post } from './request.ts'

/** `POST /jobs/:id/openings`. */
export interface OpeningsView {
  /** Encoded openings, hex; of each its step is part. */
  readonly openings: readonly string[]
  /** Why there are none, or fewer than asked for. */
  readonly reason?: string
}

/** Openings that a node brought. `refusal` is a code: AUDIT_UNIT once no openings are owed, BUSY, NO_OPENINGS. */
export type OpeningsAnswer =
  | { readonly openings: readonly Uint8Array[]; readonly reason: string | undefined }
  | { readonly refusal: string; readonly reason: string }

const isHex =
  (most: number) =>
  (value: unknown): value is string =>
    isText(value) && value.length <= 2 * most && /^(?:[0-9a-f]{2})+$/.test(value)
const isOpening = isHex(MAX_STEP_OPENING_BYTES)
/** The largest answer of the RPC is bounded already. */
const isTransaction = isHex(2 ** 20)

/** The signed bytes of a transaction, for the caller to verify. Throws RpcError NOT_A_NODE where the node has none. */
export async function readTransactionBytes(rpc: string, id: string, interrupt?: AbortSignal): Promise<Uint8Array> {
  const answer = reader(rpc, 'a transaction', await get(rpc, `/transactions/${id}/bytes`, interrupt))
  return hexToBytes(answer.read('transaction', isTransaction))
}

/** Asks a node for openings of at most 16 steps of a job's unit. Throws RpcError. */
export async function readOpenings(
  rpc: string,
  jobId: Uint8Array,
  steps: readonly StepRef[],
  interrupt?: AbortSignal,
): Promise<OpeningsAnswer> {
  const answer = await post(rpc, `/jobs/${bytesToHex(jobId)}/openings`, { steps }, interrupt)
  if ('error' in answer) return { refusal: answer.error.code, reason: answer.error.message }
  const from = reader(rpc, 'openings', answer.value)
  const list = from.from.openings
  if (!Array.isArray(list) || list.length > steps.length || !list.every(isOpening))
    throw notNode(rpc, 'openings are not what was asked for')
  return {
    openings: list.map(hexToBytes),
    reason: from.from.reason === undefined ? undefined : from.read('reason', isText),
  }
}
