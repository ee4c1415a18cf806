import type { SweepProgress } from './run-sweep.ts'

/** What a progress bar needs of a terminal. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

const WIDTH = 30

/** A bar on a terminal; elsewhere one line for each tenth. */
export function progressBar(output: ProgressOutput): (progress: SweepProgress) => void {
  let tenths = -1
  return ({ finished, total }) => {
    const part = total === 0 ? 1 : finished / total
    if (output.isTTY === true) {
      const full = Math.round(part * WIDTH)
      const end = finished === total ? '\n' : ''
      output.write(`\r[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${finished} of ${total} runs${end}`)
    } else if (Math.floor(part * 10) > tenths) {
      tenths = Math.floor(part * 10)
      output.write(`${finished} of ${total} runs\n`)
    }
  }
}
