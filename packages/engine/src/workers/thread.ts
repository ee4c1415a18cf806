/** Entry point of a worker thread. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ThreadData } from './messages.ts'
import { serve } from './serve.ts'

if (parentPort === null) throw new Error('this module runs in a worker thread')
await serve(parentPort, workerData as ThreadData)
