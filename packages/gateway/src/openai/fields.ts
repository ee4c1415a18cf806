import { invalidRequest } from './api-error.ts'

/** A JSON object whose fields are taken one by one; what is left over is refused, so that nothing is ignored by accident. */
export class Fields {
  readonly #values: Map<string, unknown>
  readonly #prefix: string

  /** @param name of the parameter that holds the object; undefined for the body itself. */
  constructor(value: unknown, name: string | undefined) {
    if (value === null || typeof value !== 'object' || Array.isArray(value))
      throw invalidRequest(`${name === undefined ? 'It' : `"${name}"`} must be a JSON object.`, name, 'invalid_type')
    // null is how clients leave a parameter out.
    this.#values = new Map(Object.entries(value).filter(([, each]) => each !== null))
    this.#prefix = name === undefined ? '' : `${name}.`
  }

  path(name: string): string {
    return this.#prefix + name
  }

  /** The value, or undefined if it is missing or null. */
  take(name: string): unknown {
    const value = this.#values.get(name)
    this.#values.delete(name)
    return value
  }

  needed(name: string): unknown {
    const value = this.take(name)
    if (value === undefined)
      throw invalidRequest(`"${this.path(name)}" is needed.`, this.path(name), 'missing_required_parameter')
    return value
  }

  /** A whole number in a range. */
  integer(name: string, min: number, max: number): number | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
      throw invalidRequest(`"${this.path(name)}" must be a whole number from ${min} to ${max}.`, this.path(name))
    return value as number
  }

  number(name: string, min: number, max: number): number | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw invalidRequest(`"${this.path(name)}" must be a number from ${min} to ${max}.`, this.path(name))
    return value
  }

  boolean(name: string): boolean | undefined {
    const value = this.take(name)
    if (value === undefined || typeof value === 'boolean') return value
    throw invalidRequest(`"${this.path(name)}" must be true or false.`, this.path(name), 'invalid_type')
  }

  text(name: string): string | undefined {
    const value = this.take(name)
    if (value === undefined || typeof value === 'string') return value
    throw invalidRequest(`"${this.path(name)}" must be a string.`, this.path(name), 'invalid_type')
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.take(name)
    if (value === undefined) return undefined
    const found = choices.find((each) => each === value)
    if (found === undefined)
      throw invalidRequest(`"${this.path(name)}" must be one of: ${choices.join(', ')}.`, this.path(name))
    return found
  }

  /** Refuses what nobody took. */
  finish(): void {
    for (const name of this.#values.keys()) {
      const path = this.path(name.slice(0, 80))
      throw invalidRequest(`"${path}" is not known here: leave it out.`, path, 'unknown_parameter')
    }
  }
}
