/** Where passphrases and seeds come from: a hidden prompt, a file, the environment, standard input; never the command line. */
import { open } from 'node:fs/promises'
import { hexToBytes } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { askHidden, canAsk } from './terminal.ts'

/** The variable that holds a passphrase. */
export const PASSPHRASE_VARIABLE = 'NACRE_WALLET_PASSPHRASE'
const MIN_PASSPHRASE_CHARS = 8
const MAX_SECRET_BYTES = 4096

export interface PassphraseOptions {
  /** `--passphrase-file`. */
  readonly file: string | undefined
  /** False where a passphrase that lies in the environment must not suffice. */
  readonly environment: boolean
  /** Shown when it is asked for. */
  readonly path: string
}

/** The passphrase of a wallet that exists. Throws CliError LOCKED if there is none and nobody to ask. */
export async function passphraseOf(options: PassphraseOptions): Promise<string> {
  const given = await givenPassphrase(options)
  if (given !== undefined) return given
  if (canAsk()) return askHidden(`passphrase of ${options.path}: `)
  throw nobodyToAsk(`${options.path} is locked by its passphrase`, options, 'LOCKED')
}

/** A passphrase for a new wallet: long enough, and at a terminal typed twice. */
export async function newPassphrase(options: PassphraseOptions): Promise<string> {
  const given = await givenPassphrase(options)
  if (given !== undefined) return checked(given)
  if (!canAsk()) throw nobodyToAsk('a new wallet needs a passphrase', options, 'PASSPHRASE')
  const first = checked(await askHidden(`new passphrase for ${options.path} (it is not shown): `))
  if ((await askHidden('once more: ')) !== first)
    throw new CliError('the two passphrases differ; nothing was written', 1, 'PASSPHRASE')
  return first
}

function checked(passphrase: string): string {
  const { length } = [...passphrase]
  if (length >= MIN_PASSPHRASE_CHARS) return passphrase
  throw new CliError(
    `a passphrase has at least ${MIN_PASSPHRASE_CHARS} characters, this one has ${length}`,
    1,
    'PASSPHRASE',
  )
}

/** The passphrase that was given without asking. */
async function givenPassphrase({ file, environment }: PassphraseOptions): Promise<string | undefined> {
  if (file !== undefined) {
    const [line = '', ...more] = (await boundedText(file)).replace(/\r?\n$/, '').split(/\r?\n/)
    if (line === '' || more.length > 0)
      throw new CliError(`${file} must hold one line, the passphrase`, 1, 'PASSPHRASE')
    return line
  }
  const variable = environment ? process.env[PASSPHRASE_VARIABLE] : undefined
  return variable === '' ? undefined : variable
}

function nobodyToAsk(why: string, { environment }: PassphraseOptions, code: string): CliError {
  const ways = environment ? `--passphrase-file FILE or ${PASSPHRASE_VARIABLE}` : '--passphrase-file FILE'
  return new CliError(`${why}, and there is no terminal to ask for it: ${ways} can give it`, 1, code)
}

/** A seed of 64 hex digits: from a file, from a hidden prompt, or from standard input where that is no terminal. */
export async function readSeed(file: string | undefined): Promise<Uint8Array> {
  const text =
    file !== undefined
      ? await boundedText(file)
      : canAsk()
        ? await askHidden('seed, 64 hex digits (not shown): ')
        : await standardInput()
  const hex = text.trim().toLowerCase()
  // The text may be a secret with a typing error: it is not repeated.
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new CliError(`a seed is 64 hex digits; ${file ?? 'the input'} holds something else`, 1, 'SEED')
  return hexToBytes(hex)
}

const tooLong = (what: string): CliError =>
  new CliError(`${what} holds more than ${MAX_SECRET_BYTES} bytes: it is no secret of a wallet`, 1, 'FILE')

async function boundedText(file: string): Promise<string> {
  try {
    const handle = await open(file, 'r')
    try {
      const buffer = Buffer.alloc(MAX_SECRET_BYTES + 1)
      let length = 0
      while (length < buffer.length) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null)
        if (bytesRead === 0) return buffer.toString('utf8', 0, length)
        length += bytesRead
      }
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, 1, 'FILE')
  }
  throw tooLong(file)
}

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer)
    length += (chunk as Buffer).length
    if (length > MAX_SECRET_BYTES) throw tooLong('standard input')
  }
  return Buffer.concat(chunks).toString('utf8')
}
