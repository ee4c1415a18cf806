/**
 * The network of docker-compose.yml, for real: builds the image, runs it under a project name of its own, kills, adds and
 * restarts containers, and compares what they hold. Removes everything it made, also after a failure or Ctrl-C.
 *   node --conditions=development scripts/container-check.ts
 * Needs an engine with Compose v2. Prints one line per check; exit 0 if all hold.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

interface Container {
  readonly id: string
  /** `miner-1` */
  readonly name: string
}

interface Status {
  readonly height: number
  readonly peers: number
  readonly miner?: { readonly blocks: number }
}

interface Block {
  readonly height: number
  readonly id: string
  readonly stateRoot: string
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PROJECT = `nacre-check-${process.pid}`
const POLL_MS = 1_000
const COMMAND_MS = 60_000
const BUILD_MS = 900_000
const UP_MS = 180_000
/** For some blocks at 5 s each on a busy machine whose difficulty has yet to adapt. */
const BLOCKS_MS = 300_000
/** Miners and gateway need coins from the faucet first, and asks stand some blocks later. */
const ANSWER_MS = 600_000
/** Nodes stop by themselves within 4 s; the grace after which the engine kills them is 10 s. */
const STOP_MS = 10_000
/** Asks the node of the container that it runs in. */
const ASK = `fetch('http://127.0.0.1:8645' + process.argv[1]).then(async (r) => r.ok ? console.log(await r.text()) : process.exit(1))`

/** A job of its own from the gateway in whose container it runs. */
const ASK_GATEWAY = `fetch('http://127.0.0.1:8646/v1/chat/completions', {
  method: 'POST', headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'small', max_tokens: 8, messages: [{ role: 'user', content: '12+34=' }] }),
}).then(async (r) => r.ok ? console.log(await r.text()) : process.exit(1))`

interface Completion {
  readonly choices: readonly { readonly message: { readonly content: string } }[]
  readonly nacre: { readonly jobs: readonly { readonly verification: string }[] }
}

const interrupted = new AbortController()

/** Runs docker and returns its standard output. In a process group of its own: Ctrl-C is for this script, which cleans up. */
function docker(
  args: readonly string[],
  limitMs = COMMAND_MS,
  signal: AbortSignal = interrupted.signal,
): Promise<string> {
  // Variables of a network that runs beside must not reach this one; it takes any free port.
  const variables = Object.entries(process.env).filter(([name]) => !name.startsWith('NACRE_'))
  const env = { ...Object.fromEntries(variables), NACRE_RPC_PORT: '0', NACRE_GATEWAY_PORT: '0', NACRE_DUTY: '0.4' }
  return new Promise((resolve, reject) => {
    const child = spawn('docker', args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const what = `docker ${args.join(' ').slice(0, 80)}`
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (errors += chunk))
    const stop = (): void => void child.kill('SIGTERM')
    const timer = setTimeout(stop, limitMs)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      if (code === 0) resolve(output)
      else reject(new Error(`${what}: ${code ?? `not done within ${limitMs / 1000} s`}\n${errors.slice(-4_000)}`))
    })
  })
}

const compose = (args: readonly string[], limitMs?: number): Promise<string> =>
  docker(['compose', '-p', PROJECT, ...args], limitMs)

const up = (miners: number): Promise<string> =>
  compose(['up', '-d', '--no-recreate', '--scale', `miner=${miners}`, '--scale', 'verifier=1'], UP_MS)

/** All of them, the gateway too. */
async function containers(): Promise<Container[]> {
  const format = '{{.ID}} {{.Label "com.docker.compose.service"}}-{{.Label "com.docker.compose.container-number"}}'
  const list = await docker(['ps', '--filter', `label=com.docker.compose.project=${PROJECT}`, '--format', format])
  return list
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ id: line.split(' ')[0]!, name: line.split(' ')[1]! }))
    .sort((a, b) => a.name.localeCompare(b.name))
}

const nodes = async (): Promise<Container[]> => (await containers()).filter(({ name }) => !name.startsWith('gateway'))

async function container(name: string): Promise<Container> {
  const found = (await containers()).find((one) => one.name === name)
  if (found === undefined) throw new Error(`${name} does not run`)
  return found
}

/** What the node in a container answers; undefined while it starts or has no such block. */
async function ask<T>({ id }: Container, path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await docker(['exec', id, 'node', '-e', ASK, path])) as T
  } catch {
    return undefined
  }
}

/** Repeats `attempt` until it gives something. */
async function waitFor<T>(what: string, limitMs: number, attempt: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + limitMs
  for (;;) {
    const result = await attempt()
    if (interrupted.signal.aborted) throw new Error('interrupted')
    if (result !== undefined) return result
    if (performance.now() > deadlineMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Waits until `count` nodes have the same block, of at least that height, and are connected to each other. */
function agreement(count: number, height: number): Promise<Block> {
  return waitFor(`${count} nodes agree at height ${height} or above`, BLOCKS_MS, async () => {
    const all = await nodes()
    const statuses = await Promise.all(all.map((one) => ask<Status>(one, '/status')))
    if (all.length !== count || statuses.some((status) => status === undefined || status.peers < count - 1)) return
    const common = Math.min(...statuses.map((status) => status!.height))
    if (common < height) return
    const blocks = await Promise.all(all.map((one) => ask<Block>(one, `/blocks/${common}`)))
    const isSame = blocks.every((block) => block?.id === blocks[0]?.id && block?.stateRoot === blocks[0]?.stateRoot)
    return isSame ? blocks[0] : undefined
  })
}

/** The key of a miner as it told it each time it started. */
async function minerKeys({ id }: Container): Promise<string[]> {
  const logs = await docker(['logs', id])
  return [...logs.matchAll(/^\{"ready":true.*"minerKey":"(\w+)"/gm)].map(([, key]) => key!)
}

function assert(isTrue: boolean, message: string): void {
  if (!isTrue) throw new Error(message)
}

const startMs = performance.now()
let lastMs = startMs

function done(text: string): void {
  const nowMs = performance.now()
  process.stdout.write(`ok  ${((nowMs - lastMs) / 1000).toFixed(1).padStart(6)} s  ${text}\n`)
  lastMs = nowMs
}

const short = ({ height, stateRoot }: Block): string => `#${height}, state root ${stateRoot.slice(0, 16)}`

async function check(): Promise<void> {
  await compose(['build', '--quiet'], BUILD_MS)
  done('the image is built')

  const refusal = await compose(['run', '--rm', '--no-deps', '-T', '-e', 'NACRE_SET=block.timeMs=fast', 'boot']).then(
    () => 'started',
    (error: Error) => error.message,
  )
  assert(
    refusal.includes('block.timeMs is an integer'),
    `a wrong NACRE_SET must be refused with its reason: ${refusal}`,
  )
  done('a wrong parameter is refused with its reason')

  await up(2)
  const first = await agreement(4, 3)
  for (const { id, name } of await containers()) {
    assert((await docker(['exec', id, 'id', '-u'])).trim() !== '0', `${name} runs as root`)
  }
  done(`boot, 2 miners and a verifier, all connected to each other, agree: ${short(first)}`)

  const answer = await waitFor('the gateway has an answer', ANSWER_MS, async () => {
    const { id } = await container('gateway-1')
    const text = await docker(['exec', id, 'node', '-e', ASK_GATEWAY], BLOCKS_MS).catch(() => undefined)
    return text === undefined ? undefined : (JSON.parse(text) as Completion)
  })
  const [job] = answer.nacre.jobs
  assert(job?.verification === 'verified', `the gateway's answer is not verified: ${JSON.stringify(answer)}`)
  done(`registered miners answer through the gateway: 12+34= ▸ ${answer.choices[0]?.message.content}, verified`)

  const victim = await container('miner-1')
  await docker(['kill', victim.id])
  const without = await agreement(3, first.height + 2)
  await docker(['start', victim.id])
  const resynced = await agreement(4, without.height + 1)
  const keys = await minerKeys(victim)
  assert(keys.length === 2 && keys[0] === keys[1], 'a restarted miner must keep its key')
  done(`miner-1 was killed, the others went on to #${without.height}; started again it caught up: ${short(resynced)}`)

  await waitFor('miner-1 mines a block again', BLOCKS_MS, async () => {
    const status = await ask<Status>(victim, '/status')
    return (status?.miner?.blocks ?? 0) > 0 ? status : undefined
  })
  done('miner-1 mines blocks again, with the same key')

  await up(3)
  const joined = await agreement(5, resynced.height + 1)
  done(`a third miner joined and has the whole chain: ${short(joined)}`)

  const running = await containers()
  const stopStartMs = performance.now()
  await compose(['stop'])
  const stopMs = performance.now() - stopStartMs
  assert(stopMs < STOP_MS, `the containers took ${stopMs.toFixed(0)} ms to stop`)
  for (const { id, name } of running) {
    const code = (await docker(['inspect', '--format', '{{.State.ExitCode}}', id])).trim()
    assert(code === '0', `${name} ended with exit code ${code} when asked to stop`)
  }
  done('all containers stopped by themselves, with exit code 0')

  // Nothing but boot's named volume survives this.
  await compose(['rm', '--force', '--volumes'])
  await up(2)
  const continued = await agreement(4, joined.height + 1)
  const old = await ask<Block>(await container('boot-1'), `/blocks/${joined.height}`)
  assert(old?.id === joined.id, `after the restart block #${joined.height} is another one`)
  done(`new containers continue the chain of boot's volume: ${short(continued)}`)
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort())
try {
  await check()
} catch (error) {
  process.exitCode = interrupted.signal.aborted ? 130 : 1
  process.stdout.write(`FAILED: ${error instanceof Error ? error.message : String(error)}\n`)
  if (!interrupted.signal.aborted) process.stdout.write(await compose(['logs', '--tail', '20']).catch(() => ''))
} finally {
  const never = new AbortController().signal
  const down = ['compose', '-p', PROJECT, 'down', '--volumes', '--rmi', 'local', '--remove-orphans', '--timeout', '5']
  await docker(down, COMMAND_MS, never).catch((error) => {
    process.exitCode ||= 1
    process.stdout.write(`FAILED: the clean-up: ${error instanceof Error ? error.message : String(error)}\n`)
  })
}
const seconds = Math.round((performance.now() - startMs) / 1000)
process.stdout.write(`container check ${process.exitCode ? 'failed' : 'passed'} in ${seconds} s\n`)
