/** The ways to cut a piece into two others, found for a whole vocabulary in time about linear in its size. */
export class Splits {
  /** The longest other piece that a piece begins, or ends, with; so all of them are a chain. */
  readonly #before: ReadonlyMap<string, string>
  readonly #after: ReadonlyMap<string, string>

  /** @param texts pieces; of equal ones the first counts. */
  constructor(texts: ReadonlySet<string>) {
    this.#before = longestPrefixes([...texts])
    const reversed = new Map([...texts].map((text) => [reverse(text), text]))
    this.#after = new Map(
      [...longestPrefixes([...reversed.keys()])].map(([text, start]) => [reversed.get(text)!, reversed.get(start)!]),
    )
  }

  /**
   * Whether some way to cut one of the pieces between characters into two others passes `test`. The longest left part is tried
   * first, and nothing after the first that passes.
   */
  some(text: string, test: (left: string, right: string) => boolean): boolean {
    const rights = new Map<number, string>()
    for (let right = this.#after.get(text); right !== undefined; right = this.#after.get(right))
      rights.set(text.length - right.length, right)
    if (rights.size === 0) return false
    for (let left = this.#before.get(text); left !== undefined; left = this.#before.get(left)) {
      const right = rights.get(left.length)
      if (right !== undefined && !isInside(text, left.length) && test(left, right)) return true
    }
    return false
  }
}

/** By text the longest other text, not empty, that it begins with. Sorted, texts follow what they begin with like a tree. */
function longestPrefixes(texts: string[]): Map<string, string> {
  const out = new Map<string, string>()
  const open: string[] = []
  for (const text of texts.sort()) {
    while (open.length > 0 && !text.startsWith(open.at(-1)!)) open.pop()
    if (open.length > 0) out.set(text, open.at(-1)!)
    if (text !== '') open.push(text)
  }
  return out
}

/** By units of UTF-16: what it gives need not be text. */
function reverse(text: string): string {
  const units = new Uint16Array(text.length)
  for (let i = 0; i < units.length; i++) units[i] = text.charCodeAt(text.length - 1 - i)
  return String.fromCharCode(...units)
}

/** Whether a position lies between the two halves of one character. */
const isInside = (text: string, at: number): boolean =>
  (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800
