import { type ChildProcess, fork } from 'node:child_process'
import type { Job } from '../jobs.ts'
import { ANSWER_LIMIT_MS, type Answer, end, type Host, messageOf, subjectEnvironment } from './host.ts'

const CHILD = new URL('./child.ts', import.meta.url)

export type ChildRequest = { readonly job: Job; readonly budgetMs: number }
export type ChildMessage = { readonly version: string } | Answer

/** A subject in a Node process: `module` names a file of subjects/, `flags` go to Node. */
export function nodeHost(module: string, flags: readonly string[] = []): Host {
  let child: ChildProcess | undefined
  let exited: string | undefined
  let receive: ((message: ChildMessage) => void) | undefined

  /** The next message, or the reason why none will come. */
  const next = (send: () => void): Promise<ChildMessage> =>
    new Promise((resolve) => {
      if (exited !== undefined) return resolve({ failed: exited })
      const timer = setTimeout(() => {
        child?.kill('SIGKILL')
        resolve({ failed: `no answer within ${ANSWER_LIMIT_MS / 1000} s` })
      }, ANSWER_LIMIT_MS)
      receive = (message) => {
        clearTimeout(timer)
        receive = undefined
        resolve(message)
      }
      send()
    })

  return {
    start: async () => {
      const message = await next(() => {
        child = fork(CHILD, [module], {
          execArgv: ['--conditions=development', '--disable-warning=ExperimentalWarning', ...flags],
          env: subjectEnvironment(),
          stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        })
        let stderr = ''
        child.stderr!.on('data', (chunk) => {
          stderr = (stderr + String(chunk)).slice(-2000)
        })
        child.on('message', (received: ChildMessage) => receive?.(received))
        child.on('error', (error) => receive?.({ failed: messageOf(error) }))
        child.on('close', (code, signal) => {
          const words = stderr.trim().split('\n').at(-1) ?? ''
          exited = `the process ended (${signal ?? code})${words === '' ? '' : `: ${words}`}`
          receive?.({ failed: exited })
        })
      })
      if ('version' in message) return message.version
      throw new Error(
        'unsupported' in message
          ? message.unsupported
          : `failed: ${'failed' in message ? message.failed : 'no version'}`,
      )
    },
    measure: async (job, budgetMs) => {
      const message = await next(() => child!.send({ job, budgetMs } satisfies ChildRequest))
      return 'version' in message ? { failed: 'an answer out of order' } : message
    },
    stop: () => end(child),
  }
}
