/** What comes from a file, in messages: one line of bounded length, whatever it is. */

const MAX_LINE = 500
const MAX_VALUE = 120
const CONTROL = /\p{Cc}/gu

function cut(text: string, max: number): string {
  const line = text.slice(0, max).replace(CONTROL, '?')
  return text.length > max ? `${line}...` : line
}

/** A message that may have names from a file in it. */
export const oneLine = (text: string): string => cut(text, MAX_LINE)

/** A value from a file. Never throws: `String` does for an object that has a `toString` of its own. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return cut(value, MAX_VALUE)
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return cut(JSON.stringify(value), MAX_VALUE)
  } catch {
    return 'a value that is nested too deeply'
  }
}
