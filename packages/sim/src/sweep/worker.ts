/** A thread that runs jobs one after the other. */
import { parentPort } from 'node:worker_threads'
import { type Job, runJob } from './job.ts'

const port = parentPort
if (port === null) throw new Error('this file runs as a worker thread')
port.on('message', ({ index, job }: { index: number; job: Job }) => {
  port.postMessage({ index, outcome: runJob(job) })
})
