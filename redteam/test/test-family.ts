import { describe, expect, test } from 'vitest'
import { type Attack, type Family, isStopped } from '../src/attack.ts'

/** One test for each attack: its honest twin is accepted and it meets its code, or, if nothing stops it, it has its effect. */
export function testFamily(family: Family, attacks: readonly Attack[]): void {
  describe(family, () => {
    test('every attack is named after its family', () => {
      expect(attacks.filter(({ id }) => !id.startsWith(`${family}/`)).map(({ id }) => id)).toEqual([])
    })
    for (const attack of attacks) {
      if (isStopped(attack)) {
        test(`${attack.id}: ${attack.rule} ${attack.code}`, async () => {
          const outcome = await attack.run()
          const met = `honest ${outcome.honest ?? 'accepted'}, attack ${outcome.attack ?? 'accepted'}`
          expect(outcome, met).toEqual({ honest: undefined, attack: attack.code })
        })
      } else {
        test(`${attack.id}: not stopped`, async () => {
          expect(await attack.run()).toBe(true)
        })
      }
    }
  })
}
