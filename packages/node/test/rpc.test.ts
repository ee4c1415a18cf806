/** The HTTP interface: each route with right and wrong input, and the event stream. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { bytesToHex, encodeAddress, type KeyPair, accountOf as protocolAccountOf } from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_EVENT_CLIENTS, MAX_RPC_BLOCKS, MAX_RPC_BODY_BYTES, MAX_RPC_CONNECTIONS } from '../src/limits-chain.ts'
import { EventStream } from '../src/rpc/event-stream.ts'
import { type RpcServer, startRpc } from '../src/rpc/server.ts'
import { Forge, faucetKeys, keysOf, transactionOf, transferTo } from './support/forge.ts'
import { NodeNet, type TestNode } from './support/node-net.ts'

/**
 *   genesis - a1 - a2 - a3*        a2 pays 55 grains to x
 *               \- b2
 */
const forge = new Forge()
const net = new NodeNet(forge)
let member: TestNode
let rpc: RpcServer

beforeAll(async () => {
  const payment = transactionOf(forge.context, faucetKeys, 0n, transferTo(keysOf('x'), 55n))
  forge.mine('a1')
  forge.mine('a2', 'a1', { transactions: [payment] })
  forge.mine('a3 a4 a5', 'a2')
  forge.mine('b2', 'a1')
  member = await net.node('node')
  for (const label of ['a1', 'a2', 'a3', 'b2']) await member.node.publishBlock(forge.block(label))
  const extra = () => ({ miner: { blocks: 3 } })
  rpc = await startRpc({ node: member.node, host: '127.0.0.1', port: 0, role: 'miner', extra })
})
afterAll(async () => {
  await rpc.stop()
  await net.stop()
})

const addressOf = (keys: KeyPair): string =>
  encodeAddress(protocolAccountOf(keys.publicKey), forge.context.params.network.addressPrefix)

async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${rpc.url}${path}`)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

async function post(path: string, body: string, type = 'application/json') {
  const response = await fetch(`${rpc.url}${path}`, { method: 'POST', body, headers: { 'content-type': type } })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test('connections beyond the bound are closed, and make room again', async () => {
  const bounded = await startRpc({ node: member.node, host: '127.0.0.1', port: 0, role: 'boot' })
  const { port } = new URL(bounded.url)
  const sockets = Array.from({ length: MAX_RPC_CONNECTIONS }, () => connect(Number(port), '127.0.0.1'))
  try {
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    await expect(fetch(`${bounded.url}/health`)).rejects.toThrow()
    sockets.pop()!.destroy()
    let status = 0
    for (let tries = 0; tries < 100 && status !== 200; tries++) {
      const answer = await fetch(`${bounded.url}/health`, { headers: { connection: 'close' } }).catch(() => undefined)
      status = answer?.status ?? 0
    }
    expect(status).toBe(200)
  } finally {
    for (const socket of sockets) socket.destroy()
    await bounded.stop()
  }
})

describe('reading', () => {
  test('/health', async () => {
    expect(await get('/health')).toEqual({ status: 200, body: { ok: true, height: 3 } })
  })

  test('/status', async () => {
    const { status, body } = await get('/status')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      role: 'miner',
      usefulSharePpm: '0',
      ...{ settledMacs: '0', paidMacsPpm: '0' },
      burnedOverMintedPpm: '0',
      network: 'unit',
      chainId: bytesToHex(forge.context.genesis.chainId),
      height: 3,
      tip: bytesToHex(forge.get('a3').id),
      stateRoot: bytesToHex(forge.get('a3').header.stateRoot),
      peers: 0,
      mempool: 0,
      syncing: false,
      miner: { blocks: 3 },
    })
  })

  test('/params lists every parameter, sorted', async () => {
    const { lines } = (await get('/params')).body as { lines: string[] }
    expect(lines).toContain('block.maturityBlocks=3')
    expect(lines).toEqual([...lines].sort())
  })

  test('/blocks, newest first', async () => {
    const heightsOf = async (query: string): Promise<number[]> => {
      const { blocks } = (await get(`/blocks${query}`)).body as { blocks: { height: number }[] }
      return blocks.map(({ height }) => height)
    }
    expect(await heightsOf('')).toEqual([3, 2, 1, 0])
    expect(await heightsOf('?limit=2')).toEqual([3, 2])
    expect(await heightsOf('?from=1&limit=5')).toEqual([1, 0])
    expect(await heightsOf('?from=999')).toEqual([3, 2, 1, 0])
    expect(await heightsOf(`?limit=${MAX_RPC_BLOCKS * 1000}`)).toEqual([3, 2, 1, 0])
  })

  test('/blocks/:id by height and by id, with its transactions', async () => {
    const byHeight = await get('/blocks/2')
    expect(byHeight.body).toMatchObject({
      height: 2,
      onBestChain: true,
      miner: addressOf(keysOf('a')),
      lane: 'bootstrap',
    })
    expect(byHeight.body.transactions).toMatchObject([{ kind: 'transfer' }])
    expect(await get(`/blocks/${bytesToHex(forge.get('a2').id)}`)).toEqual(byHeight)
    expect((await get(`/blocks/${bytesToHex(forge.get('b2').id)}`)).body).toMatchObject({
      height: 2,
      onBestChain: false,
    })
  })

  test('a side block with garbage for a transaction can still be looked at', async () => {
    const body = { ...forge.block('b2').body, transactions: [Uint8Array.of(1, 2, 3)] }
    await member.node.chain.offer(forge.tamper('g2', 'b2', {}, body))
    const { status, body: view } = await get(`/blocks/${bytesToHex(forge.get('g2').id)}`)
    expect(status).toBe(200)
    expect(view.transactions).toMatchObject([{ kind: 'malformed' }])
  })

  test('/accounts/:address', async () => {
    const x = addressOf(keysOf('x'))
    expect(await get(`/accounts/${x}`)).toMatchObject({
      status: 200,
      body: { address: x, balanceGrains: '55', nonce: '0' },
    })
    const unused = addressOf(keysOf('u'))
    expect((await get(`/accounts/${unused}`)).body).toMatchObject({ balanceGrains: '0', nonce: '0' })
  })
})

describe('wrong input', () => {
  test.each([
    ['an unknown route', '/nothing', 404, 'NOT_FOUND'],
    ['an unknown height', '/blocks/99', 404, 'NOT_FOUND'],
    ['an unknown id', `/blocks/${'ab'.repeat(32)}`, 404, 'NOT_FOUND'],
    ['an id in capitals', `/blocks/${'AB'.repeat(32)}`, 404, 'NOT_FOUND'],
    ['an id that is no hex', '/blocks/x', 404, 'NOT_FOUND'],
    ['a limit that is no number', '/blocks?limit=-1', 400, 'BAD_REQUEST'],
    ['a start that is no number', '/blocks?from=1e3', 400, 'BAD_REQUEST'],
    ['a path that is not UTF-8', '/accounts/%ff', 400, 'BAD_REQUEST'],
    ['a long path', `/accounts/${'x'.repeat(10_000)}`, 414, 'BAD_REQUEST'],
    ['an address of another network', `/accounts/${encodeAddress(new Uint8Array(20), 'ncr')}`, 400, 'ADDRESS_INVALID'],
    [
      'an address with a wrong letter',
      `/accounts/${addressOf(keysOf('x')).replace(/.$/, '!')}`,
      400,
      'ADDRESS_INVALID',
    ],
  ])('%s', async (_name, path, status, code) => {
    expect(await get(path)).toMatchObject({ status, body: { error: { code } } })
  })

  const transaction = (value: unknown): string => JSON.stringify({ transaction: value })
  const huge = '00'.repeat(MAX_RPC_BODY_BYTES / 2 - 100)
  test.each([
    ['no JSON', '{', 400, 'BAD_REQUEST'],
    ['no transaction', '{}', 400, 'BAD_REQUEST'],
    ['null', 'null', 400, 'BAD_REQUEST'],
    ['a number', transaction(7), 400, 'BAD_REQUEST'],
    ['an empty transaction', transaction(''), 400, 'BAD_REQUEST'],
    ['an odd number of digits', transaction('abc'), 400, 'BAD_REQUEST'],
    ['capitals', transaction('AB'), 400, 'BAD_REQUEST'],
    ['bytes that are no transaction', transaction('00'), 400, 'CODEC_MALFORMED'],
    ['two megabytes of hex', transaction(huge), 400, 'CODEC_TOO_LARGE'],
    ['a body above the limit', transaction(`${huge}${'0'.repeat(300)}`), 413, 'BAD_REQUEST'],
  ])('POST /transactions: %s', async (_name, body, status, code) => {
    expect(await post('/transactions', body)).toMatchObject({ status, body: { error: { code } } })
  })

  test.each(['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'localhost.evil.example', ''])(
    'on loopback, a request for the host "%s" is refused: a web page can name this machine',
    async (host) => {
      const { port } = new URL(rpc.url)
      const socket = connect(Number(port), '127.0.0.1')
      socket.end(`GET /status HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      let answer = ''
      for await (const chunk of socket) answer += String(chunk)
      expect(answer).toMatch(/^HTTP\/1.1 403 /)
      expect(answer).toContain('FORBIDDEN_HOST')
    },
  )

  test.each(['localhost', 'localhost:1234', '127.0.0.1', '[::1]:80'])('the host "%s" is this one', async (host) => {
    const { port } = new URL(rpc.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.end(`GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    expect(answer).toMatch(/^HTTP\/1.1 200 /)
  })

  test('POST /transactions: a body that is not JSON by its type', async () => {
    expect(await post('/transactions', 'x', 'text/html')).toMatchObject({
      status: 415,
      body: { error: { code: 'BAD_REQUEST' } },
    })
  })
})

test('a transaction is taken in once, a rival is told why not', async () => {
  const bytes = transactionOf(forge.context, faucetKeys, 1n, transferTo(keysOf('x'), 1n))
  const rival = transactionOf(forge.context, faucetKeys, 1n, transferTo(keysOf('y'), 1n))
  const send = (raw: Uint8Array) => post('/transactions', JSON.stringify({ transaction: bytesToHex(raw) }))
  const first = await send(bytes)
  expect(first.status).toBe(200)
  expect(first.body.id).toMatch(/^[0-9a-f]{64}$/)
  expect(await send(bytes)).toEqual(first)
  expect(await send(rival)).toMatchObject({ status: 400, body: { error: { code: 'TX_NONCE_LOW', verdict: 'reject' } } })
  expect((await get('/status')).body.mempool).toBe(1)
})

describe('/events', () => {
  /** Reads the stream until it has `count` events. */
  async function read(response: Response, count: number): Promise<{ id: number; event: string; data: unknown }[]> {
    let text = ''
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    const parsed = () => [...text.matchAll(/id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n/g)]
    while (parsed().length < count) {
      const { value, done } = await reader.read()
      if (done) break
      text += value
    }
    await reader.cancel()
    return parsed().map(([, id, event, data]) => ({ id: Number(id), event: event!, data: JSON.parse(data!) }))
  }

  test('tells of blocks as they join, to everybody who listens', async () => {
    const listeners = await Promise.all([fetch(`${rpc.url}/events`), fetch(`${rpc.url}/events`)])
    for (const label of ['a4', 'a5']) await member.node.publishBlock(forge.block(label))
    for (const response of listeners) {
      expect(response.headers.get('content-type')).toBe('text/event-stream')
      const events = await read(response, 2)
      expect(events.map(({ event }) => event)).toEqual(['block', 'block'])
      expect(events.map(({ data }) => (data as { id: string }).id)).toEqual(
        ['a4', 'a5'].map((label) => bytesToHex(forge.get(label).id)),
      )
      expect(events[1]!.id).toBe(events[0]!.id + 1)
    }
  })

  describe('limits', () => {
    let server: Server
    let stream: EventStream
    const port = (): number => (server.address() as AddressInfo).port

    beforeAll(async () => {
      stream = new EventStream()
      server = createServer((_request, response) => {
        if (!stream.attach(response)) response.writeHead(503).end()
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    })
    afterAll(() => {
      stream.close()
      server.closeAllConnections()
      server.close()
    })

    test('a client that does not read is cut off, one that reads is not', async () => {
      const deaf = connect(port(), '127.0.0.1', () => deaf.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'))
      deaf.pause()
      const eager = await fetch(`http://127.0.0.1:${port()}/`)
      const reading = eager.body!.pipeTo(new WritableStream())
      while (stream.clients < 2) await new Promise((resolve) => setImmediate(resolve))
      for (let i = 0; i < 20_000 && stream.clients === 2; i++) {
        stream.send('block', { filler: 'x'.repeat(16_384) })
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(stream.clients).toBe(1)
      stream.close()
      await reading
      deaf.destroy()
    })

    test('the number of clients is bounded', async () => {
      const open: AbortController[] = []
      const responses: Response[] = [] // fetch closes the stream of a response that is collected
      const listen = async (): Promise<number> => {
        const abort = new AbortController()
        open.push(abort)
        const response = await fetch(`http://127.0.0.1:${port()}/`, { signal: abort.signal })
        responses.push(response)
        return response.status
      }
      for (let i = 0; i < MAX_EVENT_CLIENTS; i++) expect(await listen()).toBe(200)
      expect(await listen()).toBe(503)
      open[0]!.abort()
      while (stream.clients === MAX_EVENT_CLIENTS) await new Promise((resolve) => setImmediate(resolve))
      expect(await listen()).toBe(200)
      expect(responses).toHaveLength(MAX_EVENT_CLIENTS + 2)
      for (const abort of open) abort.abort()
    })
  })
})
