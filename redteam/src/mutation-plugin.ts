import { readFileSync } from 'node:fs'
import type { Plugin } from 'vitest/config'
import type { Mutation } from './attack.ts'

/** Environment variable with the path of a JSON file that holds a {@link Mutation}. */
export const MUTATION_VARIABLE = 'NACRE_MUTATION'

/** Takes one check out of the code that the tests load. Throws if the check is not in its file. */
export function mutationPlugin(): Plugin[] {
  const path = process.env[MUTATION_VARIABLE]
  if (path === undefined) return []
  const { file, from, to } = JSON.parse(readFileSync(path, 'utf8')) as Mutation
  const isMutated = (id: string): boolean => id.split('?')[0]?.endsWith(`/${file}`) === true
  return [
    {
      name: 'nacre-mutation',
      enforce: 'pre',
      // Vitest keeps transformed modules from run to run by plugin names and source: neither tells one mutation from another.
      configureVitest: ({ defineCacheKeyGenerator }) => {
        defineCacheKeyGenerator(({ id }) => (isMutated(id) ? false : undefined))
      },
      transform(code, id) {
        if (!isMutated(id)) return undefined
        if (!code.includes(from)) throw new Error(`${file} does not hold the check ${from}`)
        return { code: code.replace(from, () => to), map: null }
      },
    },
  ]
}
