import {
  accountOf,
  bytesToHex,
  decodeAddress,
  equalBytes,
  hexToBytes,
  ProtocolError,
  paramLines,
} from '@nacre/protocol'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { TreeNode } from '../chain/block-tree.ts'
import { NodeError } from '../errors.ts'
import { MAX_RPC_BLOCKS, MAX_RPC_BODY_BYTES, MAX_RPC_CONNECTIONS } from '../limits-chain.ts'
import type { FullNode } from '../node.ts'
import { accountView, historyView } from './account.ts'
import { EventStream } from './event-stream.ts'
import { isLoopback, namesThisHost } from './local-host.ts'
import { addMarketRoutes, forwardMarketEvents } from './market-routes.ts'
import { addOpeningsRoute, type OpenSteps } from './openings.ts'
import { transactionBytes, transactionView } from './transaction.ts'
import { blockView, supplyGrains, supplyView } from './views.ts'

export interface RpcServer {
  /** Where it listens, such as `http://127.0.0.1:41234`. */
  readonly url: string
  stop(): Promise<void>
}

export interface RpcOptions {
  readonly node: FullNode
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** What this node does: `boot`, `miner`, `verifier`. */
  readonly role: string
  /** Figures of whatever runs on the node, added to `/status` under its own name. */
  readonly extra?: () => Readonly<Record<string, unknown>>
  /** Brings openings of delivered units; without it `/jobs/:id/openings` answers NO_OPENINGS. */
  readonly openings?: OpenSteps
}

const HEX32 = /^[0-9a-f]{64}$/
/** For a request to arrive whole. */
const REQUEST_TIMEOUT_MS = 30_000

/** The HTTP RPC: JSON over GET and POST, events by server-sent events on `/events`. */
export async function startRpc(options: RpcOptions): Promise<RpcServer> {
  const { node, host, port } = options
  const app = fastify({
    logger: false,
    bodyLimit: MAX_RPC_BODY_BYTES,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Given to Node at once, so that the time for headers is no longer than that for the whole: otherwise neither is kept.
    http: { requestTimeout: REQUEST_TIMEOUT_MS },
    // What fails before there is a route: such a path may be long, and is not repeated.
    frameworkErrors: (error, _request, reply: FastifyReply) => {
      void reply
        .code(error.statusCode ?? 400)
        .send({ error: { code: 'BAD_REQUEST', message: 'this path cannot be read' } })
    },
  })
  app.server.maxConnections = MAX_RPC_CONNECTIONS
  // A page in a browser on this machine can give its own name this address: its requests carry that name.
  if (isLoopback(host)) {
    app.addHook('onRequest', async (request, reply) => {
      if (namesThisHost(request.headers.host)) return
      await reply
        .code(403)
        .send({ error: { code: 'FORBIDDEN_HOST', message: 'this node answers to its address and to localhost only' } })
    })
  }
  const events = new EventStream()
  addRoutes(app, options, events)
  const unsubscribe = forwardEvents(node, events)
  const url = await app.listen({ host, port }).catch(async (error: unknown) => {
    for (const stop of unsubscribe) stop()
    await app.close()
    throw error
  })
  return {
    url,
    stop: async () => {
      for (const stop of unsubscribe) stop()
      events.close()
      await app.close()
    },
  }
}

function addRoutes(app: FastifyInstance, { node, role, extra, openings }: RpcOptions, events: EventStream): void {
  const { chain, context } = node

  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof ProtocolError)
      return reply.code(400).send({ error: { code: error.code, verdict: error.verdict, message: error.message } })
    if (error instanceof NodeError) return reply.code(503).send({ error: { code: error.code, message: error.message } })
    const status = (error as { statusCode?: number }).statusCode ?? 500
    if (status >= 500)
      node.log.error({
        event: 'rpc_error',
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
    return reply.code(status).send({
      error: {
        code: status === 500 ? 'INTERNAL' : 'BAD_REQUEST',
        message: status === 500 ? 'internal error' : String((error as Error).message),
      },
    })
  })
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: { code: 'NOT_FOUND', message: 'no such resource' } }),
  )

  app.get('/health', async () => ({ ok: true, height: chain.tip.header.height }))

  app.get('/status', async () => ({
    role,
    network: context.params.network.name,
    chainId: bytesToHex(context.genesis.chainId),
    height: chain.tip.header.height,
    tip: chain.tip.hex,
    stateRoot: bytesToHex(chain.tip.header.stateRoot),
    totalWorkMacs: chain.tip.totalWork.toString(),
    peers: node.network.peers().length,
    addresses: node.network.addresses(),
    mempool: node.mempool.size,
    syncing: node.isSyncing,
    ...supplyView(chain.reader),
    ...extra?.(),
  }))

  app.get('/work', async () => node.work.report())

  app.get('/params', async () => ({ lines: paramLines(context.params) }))

  app.get<{ Querystring: { from?: string; limit?: string } }>('/blocks', async (request) => {
    const limit = Math.min(integerOr(request.query.limit, 20), MAX_RPC_BLOCKS)
    const from = Math.min(integerOr(request.query.from, chain.tip.header.height), chain.tip.header.height)
    const nodes: TreeNode[] = []
    for (let height = from; height >= 0 && nodes.length < limit; height--) nodes.push(chain.atHeight(height)!)
    return { blocks: nodes.map((at) => blockView(chain, at)) }
  })

  app.get<{ Params: { id: string } }>('/blocks/:id', async (request, reply) => {
    const { id } = request.params
    const found = HEX32.test(id) ? chain.tree.get(id) : /^\d{1,10}$/.test(id) ? chain.atHeight(Number(id)) : undefined
    if (found === undefined) return reply.code(404).send({ error: { code: 'NOT_FOUND', message: `no block ${id}` } })
    return { ...blockView(chain, found), onBestChain: chain.isOnBestChain(found) }
  })

  app.get<{ Params: { address: string }; Querystring: { key?: string } }>('/accounts/:address', async (request) => {
    const account = decodeAddress(request.params.address, context.params.network.addressPrefix)
    return accountView(chain, node.mempool, account, keyOf(request.query.key, account))
  })

  app.get<{ Params: { address: string }; Querystring: { from?: string; limit?: string } }>(
    '/accounts/:address/transactions',
    async (request) => {
      const account = decodeAddress(request.params.address, context.params.network.addressPrefix)
      const { height } = chain.tip.header
      const from = Math.min(integerOr(request.query.from, height), height)
      return historyView(chain, account, from, Math.min(integerOr(request.query.limit, 20), MAX_RPC_BLOCKS))
    },
  )

  app.get<{ Params: { id: string }; Querystring: { since?: string } }>('/transactions/:id', async (request, reply) => {
    const { id } = request.params
    if (!HEX32.test(id))
      return reply.code(404).send({ error: { code: 'NOT_FOUND', message: `no transaction id: ${id}` } })
    return transactionView(node, id, integerOr(request.query.since, 0))
  })

  app.post<{ Body: { transaction?: unknown } }>('/transactions', async (request, reply) => {
    const hex = request.body?.transaction
    if (typeof hex !== 'string' || !/^([0-9a-f]{2})+$/.test(hex)) {
      return reply.code(400).send({ error: { code: 'BAD_REQUEST', message: '"transaction" must be lower-case hex' } })
    }
    return { id: bytesToHex(await node.publishTransaction(hexToBytes(hex))) }
  })

  app.get<{ Params: { id: string } }>('/transactions/:id/bytes', async (request, reply) => {
    const { id } = request.params
    const bytes = HEX32.test(id) ? transactionBytes(node, id) : undefined
    if (bytes === undefined)
      return reply.code(404).send({ error: { code: 'NOT_FOUND', message: `no transaction ${id} is known here` } })
    return { id, transaction: bytesToHex(bytes) }
  })

  addMarketRoutes(app, node)
  addOpeningsRoute(app, node, openings)

  app.get('/events', (_request, reply) => {
    reply.hijack()
    if (!events.attach(reply.raw)) reply.raw.writeHead(503).end()
  })
}

/** The public key that a question names, of this account. */
function keyOf(hex: string | undefined, account: Uint8Array): Uint8Array | undefined {
  if (hex === undefined) return undefined
  if (!HEX32.test(hex) || !equalBytes(accountOf(hexToBytes(hex)), account))
    throw Object.assign(new Error('"key" is not the public key of this address'), { statusCode: 400 })
  return hexToBytes(hex)
}

function integerOr(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (!/^\d{1,10}$/.test(text)) throw Object.assign(new Error(`"${text}" is not a whole number`), { statusCode: 400 })
  return Number(text)
}

function forwardEvents(node: FullNode, events: EventStream): (() => void)[] {
  return [
    node.events.on('block', ({ node: block, replayMs }) =>
      events.send('block', {
        ...blockView(node.chain, block),
        replayMs,
        supplyGrains: supplyGrains(node.chain.reader).toString(),
        peers: node.network.peers().length,
      }),
    ),
    node.events.on('reorg', ({ left, tip }) =>
      events.send('reorg', { left: left.map((block) => block.hex), tip: tip.hex }),
    ),
    node.events.on('verdict', (verdict) => events.send('verdict', verdict)),
    node.events.on('anomaly', (anomaly) => events.send('anomaly', anomaly)),
    node.events.on('unit', (unit) => events.send('unit', unit)),
    ...forwardMarketEvents(node, events),
  ]
}
