const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1'])
/** Names of this host as a Host header gives them, with or without a port. */
const LOCAL_NAME = /^(localhost|\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\])(:\d{1,5})?$/i

/** Whether a server that listens at this host is reached from this machine only. */
export const isLoopback = (host: string): boolean => LOOPBACK.has(host)

/** Whether a Host header names this machine: a page in a browser can give its own name this address, and its requests carry that name. */
export const namesThisHost = (header: string | undefined): boolean => LOCAL_NAME.test(header ?? '')
