import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

/** A JSON file in the repository's `vectors/` folder. */
const vectorUrl = (name: string): URL => new URL(`../../../../vectors/${name}.json`, import.meta.url)

/**
 * The stored vectors of that name, as parsed JSON. With UPDATE_VECTORS=1 in the environment they are first replaced by
 * what `build` gives.
 */
export function storedVectors(name: string, build: () => unknown): unknown {
  const url = vectorUrl(name)
  if (process.env.UPDATE_VECTORS === '1') {
    mkdirSync(new URL('.', url), { recursive: true })
    writeFileSync(url, `${JSON.stringify(build(), undefined, 1)}\n`)
  }
  return JSON.parse(readFileSync(url, 'utf8'))
}

/** What `value` looks like after a round trip through JSON. */
export function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
