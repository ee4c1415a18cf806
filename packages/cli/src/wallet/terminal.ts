/** Questions at the terminal whose answers nobody sees. */
import type { ReadStream } from 'node:tty'
import { CliError } from '../errors.ts'

const MAX_ANSWER_CHARS = 1024

/** True if there is a person to ask. */
export const canAsk = (): boolean => process.stdin.isTTY === true

/** What a terminal in raw mode sends, made into lines. */
export class HiddenLine {
  #chars: string[] = []
  #rest = ''

  /** Takes keys in. Undefined while the line goes on; the line when it ends; `interrupt` for Ctrl-C and Ctrl-D. */
  feed(keys: string): { readonly line: string } | 'interrupt' | undefined {
    const all = [...this.#rest, ...keys]
    this.#rest = ''
    for (const [i, key] of all.entries()) {
      if (key === '\x03' || key === '\x04') return 'interrupt'
      if (key === '\r' || key === '\n') {
        // Pasted lines answer the next questions.
        this.#rest = all.slice(key === '\r' && all[i + 1] === '\n' ? i + 2 : i + 1).join('')
        const line = this.#chars.join('')
        this.#chars = []
        return { line }
      }
      // Arrows and other keys come as an escape and what looks like letters.
      if (key === '\x1b') return undefined
      if (key === '\x7f' || key === '\b') this.#chars.pop()
      else if (key === '\x15') this.#chars = []
      else if (key >= ' ' && this.#chars.length < MAX_ANSWER_CHARS) this.#chars.push(key)
    }
    return undefined
  }
}

const keyboard = new HiddenLine()

/**
 * Asks on standard error and reads one line from the terminal without showing it. Ctrl-C and Ctrl-D end it with CliError
 * INTERRUPTED, code 130. Call only where {@link canAsk}.
 */
export async function askHidden(question: string): Promise<string> {
  const input = process.stdin as ReadStream
  // First, so that not even a quick answer is shown.
  input.setRawMode(true)
  input.setEncoding('utf8')
  process.stderr.write(question)
  try {
    let answer = keyboard.feed('')
    if (answer === undefined) {
      answer = await new Promise<{ line: string } | 'interrupt'>((resolve) => {
        const onData = (keys: string): void => {
          const fed = keyboard.feed(keys)
          if (fed === undefined) return
          input.off('data', onData)
          input.off('end', onEnd)
          resolve(fed)
        }
        const onEnd = (): void => resolve('interrupt')
        input.on('data', onData)
        input.on('end', onEnd)
        input.resume()
      })
    }
    if (answer === 'interrupt') throw new CliError('interrupted', 130, 'INTERRUPTED')
    return answer.line
  } finally {
    input.setRawMode(false)
    input.pause()
    process.stderr.write('\n')
  }
}
