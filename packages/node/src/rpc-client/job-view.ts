import type { JobStatus, KnownJobView } from '../rpc/job-view.ts'

export type { JobFeeView, JobStatus, ReceiptView } from '../rpc/job-view.ts'

/** In the order in which a job passes them; the last two are ends of their own. */
export const JOB_STATUSES: readonly JobStatus[] = [
  'waiting',
  'open',
  'cleared',
  'assigned',
  'answered',
  'delivered',
  'settled',
  'returned',
  'unknown',
]

/** A job as a client has it: of one that is unknown only id and status are there, and events leave the prompt out. */
export type JobView = Pick<KnownJobView, 'id'> & { readonly status: JobStatus } & Partial<
    Omit<KnownJobView, 'id' | 'status'>
  >
