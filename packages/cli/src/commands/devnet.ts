import { parseArgs } from 'node:util'
import { OPEN_WORKS } from '@nacre/engine'
import { type DevnetOptions, runDevnet } from '../devnet/devnet.ts'
import { fractionFlag, integerFlag, parsed, workFlag } from '../options.ts'
import { onInterrupt } from '../signals.ts'

const USAGE = `Starts a local Nacre network: one bootstrap node, miners and verifiers as separate processes on libp2p.

  npm run devnet -- [options]

  --miners N          miners (default 3)
  --verifiers N       verifiers (default 2)
  --duty F            part of the time each miner works on units that nobody asked for, above 0 to 1 (default: about ten
                      such units per block together; without clients: so that all share the machine)
  --preset NAME       parameter preset (default devnet); pearl means pearl-devnet here, the same with seconds
  --work KIND,KIND    what the miners of pearl-devnet multiply, in turns: random, structured, inference, first-layer (default all)
  --set PATH=VALUE    override a parameter, repeatable, for example --set block.timeMs=3000
  --plant             miners plant faults among their paid units, and the end shows how many each verifier found
  --rpc-port PORT     where boot's HTTP RPC listens on 127.0.0.1 (default 8645; any free port where that is taken)
  --demand N          requests that clients keep asking at once through a gateway, 0 for a gateway that nobody asks (default 24)
  --no-gateway        no gateway and no clients: miners only run units that nobody asked for
  --gateway-port PORT where its OpenAI API listens on 127.0.0.1 (default 8646; any free port where that is taken)
  --until-height N    stop when every node has block N, and exit 0
  --json              print one JSON object at the end on standard output, progress on standard error
  --dir PATH          keep the nodes' data there (default: a temporary folder, removed at the end)
  --stall-seconds N   give up when no block comes for so long (default 120)
  --help              this text
`

/** Presets whose blocks take minutes, and what a local network runs in their place. */
const LOCAL_PRESETS: ReadonlyMap<string, string> = new Map([['pearl', 'pearl-devnet']])

/** `nacre devnet`. */
export async function devnetCommand(args: readonly string[]): Promise<void> {
  const { values } = parsed(
    () =>
      parseArgs({
        args: [...args],
        options: {
          miners: { type: 'string', default: '3' },
          verifiers: { type: 'string', default: '2' },
          duty: { type: 'string' },
          preset: { type: 'string', default: 'devnet' },
          work: { type: 'string', default: OPEN_WORKS.join(',') },
          set: { type: 'string', multiple: true, default: [] },
          plant: { type: 'boolean', default: false },
          'rpc-port': { type: 'string', default: '8645' },
          demand: { type: 'string', default: '24' },
          'no-gateway': { type: 'boolean', default: false },
          'gateway-port': { type: 'string', default: '8646' },
          'until-height': { type: 'string' },
          json: { type: 'boolean', default: false },
          dir: { type: 'string' },
          'stall-seconds': { type: 'string', default: '120' },
          help: { type: 'boolean', default: false },
        },
      }),
    USAGE,
  )
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const abort = new AbortController()
  const out = values.json ? process.stderr : process.stdout
  const interrupt = (): void => {
    if (abort.signal.aborted) return
    out.write('\nstopping ...\n')
    abort.abort()
  }
  onInterrupt(interrupt)
  // A terminal that is closed takes its output away first, and a reader such as `head` may have enough: the nodes end with it.
  out.on('error', () => abort.abort())
  const options: DevnetOptions = {
    preset: LOCAL_PRESETS.get(values.preset) ?? values.preset,
    overrides: values.set,
    works: values.work.split(',').map((work) => workFlag('work', work)),
    miners: integerFlag('miners', values.miners, 1, 50),
    verifiers: integerFlag('verifiers', values.verifiers, 0, 50),
    dutyCycle: values.duty === undefined ? undefined : fractionFlag('duty', values.duty),
    plant: values.plant,
    rpcPort: integerFlag('rpc-port', values['rpc-port'], 0, 65_535),
    demand: values['no-gateway'] ? undefined : integerFlag('demand', values.demand, 0, 48),
    gatewayPort: integerFlag('gateway-port', values['gateway-port'], 0, 65_535),
    untilHeight:
      values['until-height'] === undefined
        ? undefined
        : integerFlag('until-height', values['until-height'], 1, 1_000_000),
    stallMs: 1000 * integerFlag('stall-seconds', values['stall-seconds'], 5, 86_400),
    dir: values.dir,
    print: (line) => out.write(`${line}\n`),
    signal: abort.signal,
  }
  const summary = await runDevnet(options)
  if (summary === undefined) {
    // An interrupted run that was meant to reach a height has not done its job.
    if (options.untilHeight !== undefined) process.exitCode = 130
    out.write('stopped\n')
  } else if (values.json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`)
  } else {
    out.write(
      `height ${summary.height} reached in ${summary.wallSeconds} s: all ${Object.keys(summary.stateRoots).length} nodes agree\n`,
    )
  }
}
