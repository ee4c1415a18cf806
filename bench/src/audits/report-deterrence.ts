/** The section on deterrence. */
import { figure, table } from '../report/format.ts'
import { percent, share } from './report.ts'
import type { AuditResult } from './result.ts'

export function deterrenceText({ deterrence: d, verifiers }: AuditResult): string[] {
  const bonds = Number(d.bondGrains) / Number(d.feeGrains)
  const least = (bond: number): string =>
    bond === 0 ? 'none' : Number.isFinite(bond) ? figure(bond) : 'none is enough'
  return [
    `Forging pays unless p > C / (d (1 - rho^n) (R + S)): p the rate of audits, d the chance that one finds it, rho the part of the verifiers that collude, C the cost that is saved, R what is immature, S the bond. Here all amounts are fees that a unit pays its miner; the work costs ${percent(d.saved)} of that, and a forger saves all of it. A miner that is caught loses its bond and all that is immature, of the honest units at stake too.`,
    `**Hit and run.** A miner that forges units (found with ${percent(d.runChance)}) and stops before they mature, after at most ${d.most} of them, at the number that gains most; the gain over honest work, in fees, exact. ${verifiers} verifiers.`,
    table(
      ['bond, in fees of a unit', ...d.policies],
      d.runs.map(({ bond, runs }) => [
        `${bond}`,
        ...runs.map(({ units, gain }) => (units === 0 ? 'does not begin' : `${units} units, gains ${figure(gain)}`)),
      ]),
      [0],
    ),
    '**Bonds.** The least bond, in fees of a unit, at which no number of forged units pays:',
    table(
      ['the miner', 'an audit finds it', ...d.policies],
      d.bonds.map(({ cheat, chance, bonds: each }) => [cheat, percent(chance), ...each.map(least)]),
      d.policies.map((_, i) => i + 2),
    ),
    `The bond of the preset is ${figure(Number(d.bondGrains))} grains, the fee of this unit at ${figure(Number(d.priceGrains))} grains per GMAC ${figure(Number(d.feeGrains))} grains: ${figure(bonds)} fees.`,
    '**Collusion.** Verifiers choose independently, each with the least rate that makes the chance of somebody looking the rate of the unit. Colluding ones say nothing. The chance that an honest one audits a unit, by the rule and as the protocol selects, beside the rate times 1 - rho^n of proof of sampling with n verifiers for each audited unit, n as many as look on the average:',
    table(
      ['rate', 'colluding', 'rule', 'counted', 'rate (1 - rho^n)'],
      d.collusion.map(({ rate, verifiers: all, colluding, theory, counted, bound }) => [
        percent(rate),
        `${colluding} of ${all}`,
        percent(theory),
        share(counted),
        percent(bound),
      ]),
      [0, 2, 3, 4],
    ),
    'At rate 1 every verifier looks at every unit, and one honest one is enough. At small rates what colluding ones take away is their part. Whoever has all verifiers is not audited by them; clients still check for themselves.',
  ]
}
