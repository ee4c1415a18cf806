/** A client's own check of an answer (AUD-7). Importing it loads nothing of the network. */
export * from './check-answer.ts'
export * from './rpc-source.ts'
