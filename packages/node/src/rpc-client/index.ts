/** A typed client of the RPC. Importing it loads nothing of the network; answers are bounded, and checked for shape before use. */

export * from '../rpc/local-host.ts'
export * from './accounts.ts'
export * from './errors.ts'
export { type EventListener, followEvents } from './events.ts'
export { type Fields, field, fieldsOf, isGrains, isHash, isHeight, isList, isText, isTime } from './fields.ts'
export * from './job-view.ts'
export * from './jobs.ts'
export * from './market.ts'
export type * from './market-view.ts'
export * from './openings.ts'
export * from './params.ts'
export { get, type PostAnswer, post, rpcUrlFault } from './request.ts'
