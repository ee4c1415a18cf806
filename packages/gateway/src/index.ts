export * from './jobs/errors.ts'
export * from './jobs/types.ts'
