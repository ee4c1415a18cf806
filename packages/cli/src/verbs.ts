/** Commands with verbs, such as `wallet send`: their options, arguments, results and failures. */
import { parseArgs } from 'node:util'
import { CliError } from './errors.ts'
import { parsed } from './options.ts'

export type OptionTypes = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly multiple?: true }>>

/** The options as they were given. */
export type OptionValues<O extends OptionTypes> = {
  readonly [K in keyof O]?: O[K] extends { multiple: true }
    ? string[]
    : O[K] extends { type: 'boolean' }
      ? boolean
      : string
}

/** What a verb works with. */
export interface VerbCall<O extends OptionTypes> {
  readonly options: OptionValues<O>
  readonly positionals: readonly string[]
  /** The command's result: an object for `--json`, lines for people. */
  readonly print: (json: unknown, lines: readonly string[]) => void
  /** What is no result, for people, beside it. */
  readonly say: (line: string) => void
}

export interface Verb<C, O extends OptionTypes> {
  readonly run: (call: C) => Promise<void>
  /** Besides those that all verbs have. */
  readonly options: readonly (keyof O)[]
  /** Names of the arguments; one in brackets can be left out. */
  readonly positionals: readonly string[]
}

export interface VerbCommand<C, O extends OptionTypes> {
  /** `wallet`. */
  readonly name: string
  readonly usage: string
  /** Of all verbs; one of them is `json`. */
  readonly options: O
  /** Those that every verb has. */
  readonly common: readonly (keyof O)[]
  readonly verbs: Readonly<Record<string, Verb<C, O>>>
  /** What else a call holds. */
  readonly callOf: (call: VerbCall<O>) => C
  /** Looks at the arguments before they are parsed, for a better message. */
  readonly inspect?: (verb: Verb<C, O>, args: readonly string[]) => void
}

/** Runs the verb that the arguments name. With `--json` a failure is an object on standard output, too. */
export async function runVerb<C, O extends OptionTypes>(
  command: VerbCommand<C, O>,
  args: readonly string[],
): Promise<void> {
  const [name, ...rest] = args
  if (name === undefined || args.includes('--help')) {
    process.stdout.write(command.usage)
    return
  }
  await reportingJson(args, async () => {
    const verb = Object.hasOwn(command.verbs, name) ? command.verbs[name] : undefined
    if (verb === undefined) throw new CliError(`there is no "${command.name} ${name}"\n\n${command.usage}`, 2)
    command.inspect?.(verb, rest)
    await verb.run(command.callOf(callOf(command, name, verb, rest)))
  })
}

/** With `--json` among the arguments, a failure is printed as an object before it is thrown on. */
export async function reportingJson(args: readonly string[], run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (args.includes('--json')) process.stdout.write(`${JSON.stringify({ error: failure(error) })}\n`)
    throw error
  }
}

function failure(error: unknown): { code: string; message: string; [detail: string]: unknown } {
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]!
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  const details = error instanceof CliError ? error.details : {}
  return { code: typeof code === 'string' ? code : 'INTERNAL', message, ...details }
}

function callOf<C, O extends OptionTypes>(
  { name: command, options: all, common }: VerbCommand<C, O>,
  name: string,
  verb: Verb<C, O>,
  args: readonly string[],
): VerbCall<O> {
  const allowed = new Set<string>([...common, ...verb.options].map(String))
  const options = Object.fromEntries(Object.entries(all).filter(([option]) => allowed.has(option)))
  const { values, positionals } = parsed(
    () => parseArgs({ args: [...args], allowPositionals: true, options }),
    `npm run nacre -- ${command} --help`,
  )
  const needed = verb.positionals.filter((each) => !each.startsWith('['))
  if (positionals.length < needed.length || positionals.length > verb.positionals.length) {
    const wanted = verb.positionals.length === 0 ? 'no arguments' : verb.positionals.join(' ')
    throw new CliError(`"${command} ${name}" takes ${wanted}, not ${positionals.length} arguments`, 2)
  }
  return { options: values as OptionValues<O>, positionals, ...printers(values.json === true) }
}

/** Where results and remarks go. */
export const printers = (json: boolean): Pick<VerbCall<OptionTypes>, 'print' | 'say'> => ({
  print: (value, lines) =>
    void process.stdout.write(json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${line}\n`).join('')),
  say: (line) => void process.stderr.write(`${line}\n`),
})
