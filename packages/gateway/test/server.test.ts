/** Connections: bounds, abuse, stopping. */
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, keyFile, testGateway } from './support.ts'

afterEach(closeAll)

const QUESTION = { model: 'small', prompt: 'ab' } as const

/** Sends text over a plain connection, and gives what comes back until it is closed. */
function raw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

describe('abuse', () => {
  it('a body of more than 256 KiB: 413 in the API’s own shape', async () => {
    const { post } = await testGateway()
    const response = await post('/v1/completions', { ...QUESTION, prompt: 'x'.repeat(300_000) })
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', code: 'request_too_large' } })
  })

  it('a body that does not come is given up', async () => {
    const { gateway } = await testGateway()
    const startMs = performance.now()
    const head =
      'POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'
    const answer = await raw(gateway.url, head)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(performance.now() - startMs).toBeLessThan(25_000)
  }, 40_000)

  it('no JSON, another type, an unreadable path: an error each, never a crash', async () => {
    const { gateway, post } = await testGateway()
    for (const body of ['{', '[]', '"x"', 'null', '']) {
      const response = await post('/v1/chat/completions', body)
      expect([body, response.status]).toEqual([body, 400])
      expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', param: null } })
    }
    const deep = await post('/v1/completions', `${'['.repeat(100_000)}${']'.repeat(100_000)}`)
    expect(deep.status).toBe(400)
    const text = await post('/v1/completions', JSON.stringify(QUESTION), { 'content-type': 'text/plain' })
    expect(text.status).toBe(415)
    expect((await fetch(`${gateway.url}/v1/models/%ff`)).status).toBe(400)
    expect((await post('/v1/completions', { ...QUESTION, __proto__: null, constructor: 1 })).status).toBe(400)
    expect((await post('/v1/completions', QUESTION)).status).toBe(200)
  })

  it('what is ignored may be as deep as it likes, with an Idempotency-Key too', async () => {
    const { post, requests, logs } = await testGateway()
    const deep = `${'['.repeat(60_000)}${']'.repeat(60_000)}`
    const body = `{"model":"small","prompt":"ab","metadata":${deep}}`
    for (const tries of [1, 2]) {
      const response = await post('/v1/completions', body, { 'idempotency-key': 'same' })
      expect([tries, response.status]).toEqual([tries, 200])
    }
    expect(requests).toHaveLength(1)
    expect(logs).toEqual([])
  })

  it.each([
    'text/plain; application/json',
    'application/x-www-form-urlencoded; application/json',
    'application/x-www-form-urlencoded\tapplication/json',
    'multipart/form-data; boundary=application/json',
    '',
  ])('a page in a browser that sends JSON as %j, which needs nobody’s consent', async (type) => {
    const { gateway, requests } = await testGateway()
    const body = JSON.stringify(QUESTION)
    const head = `POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://evil.example\r\nconnection: close\r\n`
    const typed = type === '' ? '' : `content-type: ${type}\r\n`
    const answer = await raw(gateway.url, `${head}${typed}content-length: ${body.length}\r\n\r\n${body}`)
    expect(answer).toMatch(/^HTTP\/1\.1 415 /)
    expect(requests).toEqual([])
  })

  it('a page in a browser that asks for consent', async () => {
    const { gateway } = await testGateway()
    const response = await fetch(`${gateway.url}/v1/completions`, { method: 'OPTIONS' })
    expect(response.status).toBe(404)
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('a page in a browser that gives its own name this address', async () => {
    const { gateway } = await testGateway()
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${gateway.url}/v1/models`, { headers: { host: 'evil.example' } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      request.on('error', reject)
      request.end()
    })
    expect(status).toBe(403)
  })

  it('more jobs at once than one account can have waiting: 503, and the rest are answered', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { openai } = await testGateway({
      script: async () => {
        await held
        return 'ok'
      },
    })
    const ask = () => openai.completions.create({ ...QUESTION, n: 16, temperature: 1 })
    const running = [0, 1, 2, 3].map(ask)
    await delay(200)
    await expect(openai.completions.create(QUESTION)).rejects.toMatchObject({ status: 503, code: 'overloaded' })
    release()
    for (const each of await Promise.all(running)) expect(each.choices).toHaveLength(16)
  })

  it('one key with jobs that it does not wait for leaves half of the places to others', async () => {
    const { path, ledgerPath, keys } = await keyFile([{}, {}])
    const { gateway } = await testGateway({
      ...{ keysPath: path, ledgerPath, script: () => new Promise(() => undefined), stopGraceMs: 100 },
    })
    const ask = (key: string, n: number) =>
      fetch(`${gateway.url}/v1/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${key}`,
          'x-nacre-deadline-ms': '50',
        },
        body: JSON.stringify({ ...QUESTION, max_tokens: 4, n, temperature: 1 }),
      })
    const statuses: number[] = []
    for (const n of [16, 16, 1]) statuses.push((await ask(keys[0]!, n)).status)
    expect(statuses).toEqual([504, 504, 429])
    expect((await ask(keys[1]!, 16)).status).toBe(504)
  })

  it('asks the node once for many questions about its health', async () => {
    let balances = 0
    const { gateway } = await testGateway({ onBalance: () => void balances++, nowMs: () => 0 })
    for (let i = 0; i < 20; i++) expect((await fetch(`${gateway.url}/health`)).status).toBe(200)
    expect(balances).toBe(1)
  })

  it('a client that goes away: its job goes on, and its place is free again', async () => {
    let release = (): void => undefined
    const { openai, gateway, requests } = await testGateway({
      script: () =>
        new Promise((resolve) => {
          release = () => resolve('ok')
        }),
    })
    const abort = new AbortController()
    const gone = openai.completions.create(QUESTION, { signal: abort.signal })
    gone.catch(() => undefined)
    await delay(200)
    abort.abort()
    await delay(100)
    const status = async () => (await fetch(`${gateway.url}/status`)).json()
    expect(await status()).toMatchObject({ requestsRunning: 0, jobs: { underWay: 1, answered: 0 } })
    expect(requests[0]!.options.signal.aborted).toBe(false)
    release()
    await delay(50)
    expect(await status()).toMatchObject({ jobs: { underWay: 0, answered: 1 } })
  })
})

describe('stopping', () => {
  it('lets a request finish, and refuses new ones', async () => {
    let release = (): void => undefined
    const { openai, gateway, post } = await testGateway({
      script: () =>
        new Promise((resolve) => {
          release = () => resolve('ok')
        }),
    })
    const running = openai.completions.create(QUESTION)
    await delay(200)
    const stopping = gateway.stop()
    const late = await post('/v1/completions', QUESTION)
    expect(late.status).toBe(503)
    expect(await late.json()).toMatchObject({ error: { code: 'shutting_down' } })
    release()
    expect((await running).choices[0]!.text).toBe('ok')
    await stopping
    await expect(fetch(`${gateway.url}/health`)).rejects.toThrow()
  })

  it('ends what takes longer than the grace with 503, streams too', async () => {
    const { openai, gateway } = await testGateway({
      script: () => new Promise(() => undefined),
      ...{ stopGraceMs: 200, streamOpenMs: 50 },
    })
    const plain = openai.completions.create(QUESTION)
    const stream = (async () => {
      for await (const _ of await openai.completions.create({ ...QUESTION, stream: true }));
    })()
    const results = Promise.allSettled([plain, stream])
    await delay(200)
    await gateway.stop()
    const [first, second] = await results
    expect(first).toMatchObject({ status: 'rejected', reason: { status: 503, code: 'shutting_down' } })
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'shutting_down' } })
  })
})

it('counts requests by status, jobs, grains', async () => {
  const { openai, gateway } = await testGateway()
  await openai.completions.create(QUESTION)
  await openai.completions.create({ ...QUESTION, model: 'none' }).catch(() => undefined)
  for await (const _ of await openai.completions.create({ ...QUESTION, stream: true }));
  const status = (await (await fetch(`${gateway.url}/status`)).json()) as { jobs: { feeGrains: string } }
  expect(status).toMatchObject({
    requestsByStatus: { '200': 2, '404': 1 },
    jobs: { posted: 2, answered: 2, failed: {}, underWay: 0 },
    network: 'unit',
  })
  expect(BigInt(status.jobs.feeGrains)).toBeGreaterThan(0n)
})
