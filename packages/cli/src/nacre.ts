import { CliError, runMain } from './errors.ts'

const USAGE = `The nacre command.

  npm run nacre -- COMMAND [options]

  devnet     a local network of processes (also: npm run devnet)
  node       one node: bootstrap node, miner or verifier
  params     list, show, compare and check parameters
  health     exit 0 if a node answers
  wallet     keys in an encrypted file: balance, send, history
  job        ask for inference: submit, show, verify
  market     what inference costs: prices, asks, volume
  verifiers  who checks paid work, and which planted faults each has found
  gateway    an OpenAI-compatible API in front of the network, and its API keys
  launch     audit whether a launch is fair: a preset or a running chain
  monitor    does somebody mine faster than declared capacity explains? figures and alarms of a node
  model      import a model from another project, look at one, run one

  npm run nacre -- COMMAND --help
`

/** Loaded only when used, so that a wrong word or a small command starts at once. */
const COMMANDS: Readonly<Record<string, () => Promise<(args: readonly string[]) => Promise<void>>>> = {
  devnet: async () => (await import('./commands/devnet.ts')).devnetCommand,
  node: async () => (await import('./commands/node.ts')).nodeCommand,
  params: async () => (await import('./commands/params.ts')).paramsCommand,
  health: async () => (await import('./commands/health.ts')).healthCommand,
  wallet: async () => (await import('./commands/wallet.ts')).walletCommand,
  job: async () => (await import('./commands/job.ts')).jobCommand,
  market: async () => (await import('./commands/market.ts')).marketCommand,
  verifiers: async () => (await import('./commands/verifiers.ts')).verifiersCommand,
  gateway: async () => (await import('./commands/gateway.ts')).gatewayCommand,
  launch: async () => (await import('./commands/launch.ts')).launchCommand,
  monitor: async () => (await import('./commands/monitor.ts')).monitorCommand,
  model: async () => (await import('./commands/model.ts')).modelCommand,
}

await runMain(async () => {
  const [name, ...args] = process.argv.slice(2)
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(USAGE)
    return
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined) throw new CliError(`there is no command "${name}"\n\n${USAGE}`, 2)
  const command = await load()
  await command(args)
})
