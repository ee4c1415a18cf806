import { UnsupportedModelError } from '@nacre/engine'
import { CliError } from '../errors.ts'
import { generateCommand } from './model-generate.ts'
import { importCommand } from './model-import.ts'
import { showCommand } from './model-show.ts'

const USAGE = `Models: import, look at, and run them.

  npm run nacre -- model import FILE --out PATH [options]    make a Nacre model from another project's
  npm run nacre -- model show FILE                           dimensions, tokenizer, model id
  npm run nacre -- model generate FILE --prompt TEXT         text by the network's own arithmetic, or in float

  npm run nacre -- model VERB --help
`

const VERBS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  import: importCommand,
  show: showCommand,
  generate: generateCommand,
}

/** `nacre model`. */
export async function modelCommand(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help') {
    process.stdout.write(USAGE)
    return
  }
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (verb === undefined) throw new CliError(`there is no "model ${name}"\n\n${USAGE}`, 2)
  try {
    await verb(rest)
  } catch (error) {
    throw readable(error)
  }
}

/** Failures of the disk and reasons against an import, for the person at the terminal. */
function readable(error: unknown): unknown {
  if (error instanceof UnsupportedModelError) {
    const { code, path, reasons, message } = error
    if (reasons.length === 1) return new CliError(message)
    return new CliError(`${code}: ${path} cannot be imported:${reasons.map((each) => `\n  - ${each}`).join('')}`)
  }
  if (error instanceof RangeError) return new CliError(`the model does not fit: ${error.message}`)
  if (error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string')
    return new CliError(error.message)
  return error
}
