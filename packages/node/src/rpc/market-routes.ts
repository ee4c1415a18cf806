import type { FastifyInstance } from 'fastify'
import { MAX_JOB_EVENTS } from '../limits-chain.ts'
import { jobsIn } from '../market/job-keys.ts'
import type { FullNode } from '../node.ts'
import { auditEvents } from './audit.ts'
import type { EventStream } from './event-stream.ts'
import { JobViews } from './job.ts'
import { askBookView, marketView, minersView, modelNamed, modelsView, verifiersView } from './market.ts'

const HEX32 = /^[0-9a-f]{64}$/

/** Read-only routes of jobs and markets. None costs more for a longer chain. */
export function addMarketRoutes(app: FastifyInstance, node: FullNode): void {
  app.get('/models', async () => modelsView(node))
  app.get('/market', async () => marketView(node))
  app.get('/miners', async () => minersView(node))
  app.get('/verifiers', async () => verifiersView(node))

  app.get<{ Params: { model: string } }>('/market/:model/asks', async (request, reply) => {
    const model = modelNamed(node, request.params.model)
    if (model !== undefined) return askBookView(node, model.modelId)
    const names = node.context.params.models.map(({ name }) => name).join(', ')
    return reply.code(404).send({ error: { code: 'NOT_FOUND', message: `no such model; registered are ${names}` } })
  })

  app.get<{ Params: { id: string } }>('/jobs/:id', async (request, reply) => {
    const { id } = request.params
    if (!HEX32.test(id)) return reply.code(404).send({ error: { code: 'NOT_FOUND', message: `no job id: ${id}` } })
    return new JobViews(node).view(id)
  })
}

/** Sends `market`, `job` and `audit` events; returns functions that end it. Costs nothing while nobody listens. */
export function forwardMarketEvents(node: FullNode, events: EventStream): (() => void)[] {
  return [
    node.events.on('tip', ({ joined, left }) => {
      if (events.clients === 0) return
      const changes = [...left, ...joined].flatMap((block) => [...node.chain.changes(block)])
      const market = marketView(node)
      const isCalled =
        changes.some(({ key }) => key.startsWith('market/')) || market.models.some((each) => each.openJobs > 0)
      if (isCalled) events.send('market', market)
      const views = new JobViews(node)
      for (const id of [...new Set(jobsIn(changes))].slice(0, MAX_JOB_EVENTS)) sendJob(events, views, id)
      for (const audit of auditEvents(node, changes, MAX_JOB_EVENTS)) events.send('audit', audit)
    }),
    node.events.on('receipt', ({ jobId }) => {
      if (events.clients > 0) sendJob(events, new JobViews(node), jobId)
    }),
  ]
}

function sendJob(events: EventStream, views: JobViews, id: string): void {
  const view = views.view(id)
  if (view.status === 'unknown') events.send('job', view)
  else {
    const { promptTokens: _, ...rest } = view
    events.send('job', rest)
  }
}
