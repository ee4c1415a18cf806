/** A client of the RPC; importing it loads nothing of the network. */
export * from './job-view.ts'
