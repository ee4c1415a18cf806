/** API keys: who may ask, how often, and what a file of them may hold. */
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { readKeys } from '../src/index.ts'
import { closeAll, hex, keyFile, temporaryFolder, testGateway, writeKeys } from './support.ts'

afterEach(closeAll)

const QUESTION = { model: 'small', prompt: 'ab', max_tokens: 4 } as const

describe('authentication', () => {
  it('refuses strangers before reading what they send, and takes a key that the file knows', async () => {
    const { path, ledgerPath, keys } = await keyFile([{}])
    const { openai, gateway, post } = await testGateway({ keysPath: path, ledgerPath, apiKey: 'nk-wrong' })
    expect(gateway.needsKey).toBe(true)
    await expect(openai.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    const missing = await post('/v1/completions', 'no json')
    expect(missing.status).toBe(401)
    expect(await missing.json()).toMatchObject({
      error: { type: 'authentication_error', code: 'invalid_api_key', param: null },
    })
    const right = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: keys[0]! })
    expect((await right.completions.create(QUESTION)).choices[0]!.text).toBe('ok')
    expect((await fetch(`${gateway.url}/status`)).status).toBe(401)
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200)
  })

  it('finds one of 1,000 keys, and forgets a revoked one within seconds', async () => {
    const { path, ledgerPath, keys } = await keyFile(Array.from({ length: 1000 }, () => ({})))
    const { gateway } = await testGateway({ keysPath: path, ledgerPath })
    const last = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: keys[999]!, maxRetries: 0 })
    await last.models.list()
    writeKeys(path, (await readKeys(path)).slice(0, 999))
    await delay(1500)
    await expect(last.models.list()).rejects.toMatchObject({ status: 401 })
  })

  it('keeps the keys it has where the file cannot be read any more', async () => {
    const { path, ledgerPath, keys } = await keyFile([{}])
    const { openai, logs } = await testGateway({ keysPath: path, ledgerPath, apiKey: keys[0]! })
    writeFileSync(path, '{"version":1')
    await delay(1500)
    await openai.models.list()
    expect(logs).toMatchObject([{ event: 'keys_unreadable' }])
  })

  it('a file that could not be read once is read again, though it has not changed', async () => {
    const { path, ledgerPath, keys } = await keyFile([{}, {}])
    const { openai, logs } = await testGateway({ keysPath: path, ledgerPath, apiKey: keys[1]! })
    // A name that leads nowhere for a while, and then to the very file, with the time it had.
    const away = `${path}.away`
    writeKeys(away, (await readKeys(path)).slice(0, 1))
    chmodSync(away, 0o000)
    renameSync(away, path)
    if (process.getuid?.() !== 0) {
      await delay(1500)
      expect(logs).toMatchObject([{ event: 'keys_unreadable' }])
      await openai.models.list()
    }
    chmodSync(path, 0o600)
    await delay(1500)
    await expect(openai.models.list()).rejects.toMatchObject({ status: 401 })
  })

  it('a gateway that others can reach needs keys', async () => {
    await expect(testGateway({ host: '0.0.0.0' })).rejects.toThrow('a gateway there needs keys')
  })

  it('a gateway with keys needs a ledger', async () => {
    const { path } = await keyFile([{}])
    await expect(testGateway({ keysPath: path })).rejects.toThrow('needs a file for what they have spent')
    await expect(testGateway({ keysPath: `${path}.none`, ledgerPath: `${path}.db` })).rejects.toThrow('gateway key add')
  })
})

describe('rates', () => {
  it('allows so many requests a minute, says how many are left, and lets the library wait for the next', async () => {
    const { path, ledgerPath, keys } = await keyFile([{ requestsPerMinute: 60 }])
    let nowMs = 0
    const { openai } = await testGateway({ keysPath: path, ledgerPath, apiKey: keys[0]!, nowMs: () => nowMs })
    for (let i = 0; i < 60; i++) {
      const { response } = await openai.completions.create(QUESTION).withResponse()
      expect(response.headers.get('x-ratelimit-remaining-requests')).toBe(String(59 - i))
    }
    const refused = await openai.completions.create(QUESTION).then(
      () => undefined,
      (error: InstanceType<typeof OpenAI.APIError>) => error,
    )
    expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded' })
    expect(refused!.headers!.get('retry-after-ms')).toBe('1000')
    nowMs += 1000
    await openai.completions.create(QUESTION)
  })

  it('allows so many requests at once', async () => {
    const { path, ledgerPath, keys } = await keyFile([{ maxConcurrent: 2 }])
    const { openai } = await testGateway({
      ...{ keysPath: path, ledgerPath, apiKey: keys[0]!, deadlineMs: 300 },
      script: () => new Promise(() => undefined),
    })
    const running = [0, 1].map(() => openai.completions.create(QUESTION).catch((error: unknown) => error))
    await delay(100)
    await expect(openai.completions.create(QUESTION)).rejects.toMatchObject({
      ...{ status: 429, code: 'concurrent_requests_exceeded' },
    })
    await Promise.all(running)
    await expect(openai.completions.create(QUESTION)).rejects.toMatchObject({ status: 504 })
  })
})

describe('the file of keys', () => {
  it('holds no key', async () => {
    const { path, keys } = await keyFile([{ name: 'a' }, { name: 'b', verify: 'full' }])
    const text = readFileSync(path, 'utf8')
    for (const key of keys) {
      expect(key).toMatch(/^nk-[\w-]{43}$/)
      expect(text).not.toContain(key.slice(3))
    }
    expect((await readKeys(path)).map(({ name, verify }) => [name, verify])).toEqual([
      ['a', undefined],
      ['b', 'full'],
    ])
  })

  const key = (change: object): object => ({
    ...{ id: 'key_1', name: 'a', hash: hex(1), limitGrains: '5', windowHours: 24, requestsPerMinute: 1 },
    ...{ maxConcurrent: 1, createdMs: 0, ...change },
  })
  const wrong: readonly [string, unknown, string][] = [
    ['another version', { version: 2, keys: [] }, '"version" must be 1'],
    ['no list', { version: 1, keys: {} }, '"keys" must be an array'],
    ['a negative limit', { version: 1, keys: [key({ limitGrains: '-5' })] }, 'keys[0].limitGrains'],
    ['a limit beyond all coins', { version: 1, keys: [key({ limitGrains: '9'.repeat(19) })] }, 'keys[0].limitGrains'],
    ['a window of no hours', { version: 1, keys: [key({ windowHours: 0 })] }, 'keys[0].windowHours'],
    ['a mode that there is not', { version: 1, keys: [key({ verify: 'maybe' })] }, 'keys[0].verify'],
    ['a field too many', { version: 1, keys: [key({ secret: 'x' })] }, 'keys[0].secret'],
    ['the same key twice', { version: 1, keys: [key({}), key({})] }, 'same "id"'],
  ]
  it.each(wrong)('is refused with %s', async (_, content, message) => {
    const path = `${temporaryFolder()}/keys.json`
    writeFileSync(path, JSON.stringify(content))
    await expect(readKeys(path)).rejects.toThrow(message)
    expect(existsSync(path)).toBe(true)
  })
})
