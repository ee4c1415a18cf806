/** The work monitor without a node: a function of headers and market state, for simulations and research. */
export { type Concentration, shareInterval } from './concentration.ts'
export { MONITOR_DEFAULTS, type MonitorOptions, ringBlocks } from './options.ts'
export type { WorkReport } from './report.ts'
export * from './types.ts'
export { alarmName, WorkMonitor } from './work-monitor.ts'
