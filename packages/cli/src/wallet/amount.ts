/** Amounts as people write them: exact, by decimal digits, never by floating point (CNV-4). */
import { GRAINS_PER_NCR } from '@nacre/protocol'
import { CliError } from '../errors.ts'

const DECIMALS = 8
const MAX_GRAINS = (1n << 64n) - 1n
/** Longer ones are cut in messages. */
const MAX_SHOWN_CHARS = 40

/** Grains of an amount in NCR such as `12` or `0.00000001`. Throws CliError AMOUNT_* with what is wrong. */
export function parseNcr(what: string, text: string): bigint {
  const shown = text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text
  const refuse = (code: string, why: string): never => {
    throw new CliError(`${what} "${shown}" ${why}`, 2, code)
  }
  if (/^[-−]\s*[\d.]/.test(text)) refuse('AMOUNT_NEGATIVE', 'is negative')
  const [, whole = '', decimals = ''] =
    /^(\d+)(?:\.(\d+))?$/.exec(text) ??
    refuse('AMOUNT_MALFORMED', 'is no amount: digits and at most one point, such as 12.5')
  if (decimals.length > DECIMALS)
    refuse('AMOUNT_TOO_FINE', `has ${decimals.length} decimals: the smallest unit is 0.00000001 NCR, one grain`)
  const grains = BigInt(whole.slice(-MAX_SHOWN_CHARS)) * GRAINS_PER_NCR + BigInt(decimals.padEnd(DECIMALS, '0'))
  if (whole.replace(/^0+/, '').length > 20 || grains > MAX_GRAINS)
    refuse('AMOUNT_TOO_LARGE', `is more than ${formatNcr(MAX_GRAINS)}, the most that there can be`)
  return grains
}

/** Grains as an exact amount, `1.5 NCR`. */
export function formatNcr(grains: bigint): string {
  const size = grains < 0n ? -grains : grains
  const decimals = String(size % GRAINS_PER_NCR)
    .padStart(DECIMALS, '0')
    .replace(/0+$/, '')
  return `${grains < 0n ? '-' : ''}${size / GRAINS_PER_NCR}${decimals === '' ? '' : `.${decimals}`} NCR`
}

/** `1.5 NCR (150000000 grains)`. */
export const formatBoth = (grains: bigint): string =>
  `${formatNcr(grains)} (${grains} grain${grains === 1n ? '' : 's'})`

/** Whole grains such as `125`, at least one. Throws CliError AMOUNT_* with what is wrong. */
export function parseGrains(what: string, text: string): bigint {
  const shown = text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text
  const refuse = (code: string, why: string): never => {
    throw new CliError(`${what} "${shown}" ${why}`, 2, code)
  }
  if (/^[-−]\s*[\d.]/.test(text)) refuse('AMOUNT_NEGATIVE', 'is negative')
  if (/^\d*\.\d+$/.test(text)) refuse('AMOUNT_TOO_FINE', 'is a fraction: a grain is the smallest unit')
  if (!/^\d+$/.test(text)) refuse('AMOUNT_MALFORMED', 'is no amount: digits only, such as 125')
  const digits = text.replace(/^0+/, '')
  if (digits === '') refuse('AMOUNT_ZERO', 'is nothing')
  const grains = BigInt(digits.slice(0, MAX_SHOWN_CHARS))
  if (digits.length > 20 || grains > MAX_GRAINS)
    refuse('AMOUNT_TOO_LARGE', `is more than ${MAX_GRAINS}, the most that there can be`)
  return grains
}
