import { parseArgs } from 'node:util'
import {
  bytesToHex,
  diffParams,
  PARAM_BREAKS,
  PARAM_FIELDS,
  paramLines,
  paramsHash,
  paramWarnings,
  presetByName,
  presets,
} from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { paramsFrom, parsed } from '../options.ts'

const USAGE = `Parameters of the protocol.

  npm run nacre -- params list                       presets, and every parameter with its meaning
  npm run nacre -- params show PRESET [--set P=V]    all values as path=value lines, and their hash
  npm run nacre -- params diff A B                   paths whose values differ
  npm run nacre -- params check PRESET [--set P=V]   exit 0 if the values are complete, in range and
                                                     consistent; warns of what they break
`

/** `nacre params`. */
export async function paramsCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parsed(
    () =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          set: { type: 'string', multiple: true, default: [] },
          help: { type: 'boolean', default: false },
        },
      }),
    USAGE,
  )
  const [verb, first, second, ...rest] = positionals
  if (values.help || verb === undefined) return print(USAGE.trimEnd())
  const count = { list: 0, show: 1, check: 1, diff: 2 }[verb]
  if (count === undefined) throw new CliError(`there is no "params ${verb}"\n\n${USAGE}`, 2)
  if (positionals.length !== count + 1 || rest.length > 0) {
    throw new CliError(`"params ${verb}" takes ${count} preset${count === 1 ? '' : 's'}\n\n${USAGE}`, 2)
  }
  switch (verb) {
    case 'list':
      print(`presets: ${Object.keys(presets).join(', ')}\n`)
      for (const [path, field] of Object.entries(PARAM_FIELDS)) {
        print(`${path.padEnd(32)} ${field.doc}`)
        if (PARAM_BREAKS[path] !== undefined) print(`${' '.repeat(32)} ${PARAM_BREAKS[path]}`)
      }
      return
    case 'show': {
      const params = paramsFrom(first!, values.set)
      for (const line of paramLines(params)) print(line)
      return print(`# hash ${bytesToHex(paramsHash(params))}`)
    }
    case 'diff':
      for (const { path, a, b } of diffParams(presetByName(first!), presetByName(second!))) {
        print(`${path}: ${a ?? '(absent)'} -> ${b ?? '(absent)'}`)
      }
      return
    default: {
      const params = paramsFrom(first!, values.set)
      print(`${first} is consistent; hash ${bytesToHex(paramsHash(params))}`)
      for (const warning of paramWarnings(params)) print(`warning: ${warning}`)
    }
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
