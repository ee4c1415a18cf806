/** Entry of a subject's process: `child.ts MODULE` answers each request with one message, one at a time. */
import { type Subject, Unsupported } from '../jobs.ts'
import { type Answer, messageOf } from './host.ts'
import type { ChildMessage, ChildRequest } from './node-host.ts'

const module = process.argv[2]!

function reasonOf(error: unknown): Answer {
  return error instanceof Unsupported ? { unsupported: error.message } : { failed: messageOf(error) }
}

function send(message: ChildMessage): void {
  process.send!(message)
}

try {
  const { create } = (await import(`../subjects/${module}.ts`)) as { create: () => Promise<Subject> }
  const subject = await create()
  process.on('message', async ({ job, budgetMs }: ChildRequest) => {
    try {
      send({ measured: await subject.measure(job, budgetMs) })
    } catch (error) {
      send(reasonOf(error))
    }
  })
  send({ version: subject.version })
} catch (error) {
  process.send!(reasonOf(error), () => process.exit(1))
}
process.on('disconnect', () => process.exit(0))
