/** What a local network shows: blocks in rows, and under each what happened since. */
import { expect, test } from 'vitest'
import { type AuditEvent, type BlockEvent, gatewayLines, type MarketEvent, Screen } from '../src/devnet/screen.ts'

const block = (height: number, timeMs: number, more: Partial<BlockEvent> = {}): BlockEvent =>
  ({
    ...{ height, timeMs, lane: 'bootstrap', minerKey: 'aa'.repeat(32), newTokens: 24, replayMs: 79.4 },
    ...{ supplyGrains: '101389604999999', peers: 5, question: '9*9=', answer: '81', text: '81\n9*8=' },
    ...more,
  }) as BlockEvent

const answer = (isRight: boolean) => ({
  ...{ question: { prompt: 'rev ab:', answer: 'ba', maxNewTokens: 8 }, text: isRight ? 'ba' : 'ab', isRight },
  ...{ minerKey: 'bb'.repeat(32), waitMs: 1_540 },
})

function shown(play: (screen: Screen) => void): string[] {
  const lines: string[] = []
  play(
    new Screen(
      (line) => lines.push(...line.split('\n')),
      (key) => (key.startsWith('aa') ? 'miner-1' : 'miner-2'),
    ),
  )
  return lines
}

test('a block is a row with what won it below, and what followed it comes before the next', () => {
  const lines = shown((screen) => {
    screen.block(block(7, 1_000), 0)
    screen.verdict('verifier-1', { height: 7, steps: 8, outcome: 'right', checkMs: 30 })
    screen.market({ models: [{ clearingPriceGrains: '11250000' }] } as never)
    screen.answer(answer(true))
    screen.verdict('verifier-2', { height: 6, steps: 8, outcome: 'right', checkMs: 45 })
    screen.answer(answer(false))
    screen.block(block(8, 5_300, { lane: 'paid', text: '81' }), 1)
  })
  expect(lines).toEqual([
    '#7              miner-1   bootstrap  24 tokens  re-executed in   79 ms  supply 1013896.04 NCR  5 peers',
    '         won with  9*9= ▸ 81',
    '         verified  16 sampled steps of #6, #7 right, in at most 45 ms each',
    '         paid      2 answers, 1 right; 1 request failed; 0.11 NCR per GMAC; rev ab: ▸ ab by miner-2 after 1.5 s',
    '#8       4.3 s  miner-1   paid       24 tokens  re-executed in   79 ms  supply 1013896.04 NCR  5 peers',
    '         won with  9*9= ▸ 81…',
  ])
})

test('after a reorganisation the time of a block is counted from its new parent', () => {
  const lines = shown((screen) => {
    screen.block(block(4, 10_000), 0)
    screen.block(block(5, 20_000), 0)
    screen.block(block(6, 29_000), 0)
    screen.reorganisation(2)
    screen.block(block(5, 13_000), 0)
    screen.block(block(6, 14_500), 0)
  })
  expect(lines.filter((line) => /^(#|reorg)/.test(line)).map((line) => line.slice(0, 29))).toEqual([
    '#4              miner-1   boo',
    '#5      10.0 s  miner-1   boo',
    '#6       9.0 s  miner-1   boo',
    'reorganisation: 2 blocks repl',
    '#5       3.0 s  miner-1   boo',
    '#6       1.5 s  miner-1   boo',
  ])
})

test('fraud is shown at once, and failed requests without any answer too', () => {
  const lines = shown((screen) => {
    screen.verdict('verifier-1', { height: 3, steps: 8, outcome: 'fraud', checkMs: 5, reason: 'step 4 differs' })
    screen.flush(3)
    screen.flush(3)
  })
  expect(lines).toEqual([
    '         verifier-1 FRAUD in #3: step 4 differs (5 ms)',
    '         paid      0 answers, 0 right; 3 requests failed',
  ])
})

test('the line that says how to ask is a command, and speaks of clients only where there are some', () => {
  const lines = gatewayLines('http://127.0.0.1:8646/v1', 0)
  expect(lines.join('\n')).not.toContain('client')
  const body = / -d '(.*)'$/.exec(lines.at(-1)!)![1]!
  expect(JSON.parse(body)).toEqual({ model: 'small', messages: [{ role: 'user', content: '12+34=' }] })
  expect(gatewayLines('http://127.0.0.1:8646/v1', 24).join('\n')).toContain('24 clients')
})

test('audits of the same job are one, and what they condemn is shown at once', () => {
  const audit = {
    jobId: 'ab'.repeat(32),
    ratePpm: 1,
    verdicts: 1,
    challenges: 2,
    openChallenges: 1,
    isCondemned: false,
  }
  const lines = shown((screen) => {
    screen.audit({ ...audit, verdicts: 0 } as AuditEvent)
    screen.audit(audit as AuditEvent)
    screen.audit({ ...audit, jobId: 'cd'.repeat(32), isCondemned: true } as AuditEvent)
    screen.flush(0)
    screen.flush(0)
  })
  expect(lines).toEqual([
    '         audited   job cdcdcdcdcdcd… CONDEMNED: its miner is barred, its client has its money back',
    '         audited   1 paid answer, 1 right verdict on the chain; 2 challenged, 1 responded to',
  ])
})

test('the last line says how many units were paid, the useful share and the clearing price', () => {
  const counters = { units: 12, paidUnits: 7, tokens: 0, tickets: 0 }
  const demand = { asked: 9, answered: 6, right: 5, verified: 6, failed: 0, feeGrains: 1n, waitMs: 1 }
  const lines = shown((screen) => {
    screen.totals({ height: 1, counters, demand: undefined, usefulSharePpm: 0, paidMacsPpm: 0 })
    screen.market({ models: [{ clearingPriceGrains: '11000000' }] } as unknown as MarketEvent)
    screen.totals({ height: 3, counters, demand, usefulSharePpm: 54_490, paidMacsPpm: 616_900 })
  })
  expect(lines).toEqual([
    '1 block: 12 units, 7 of them paid; 0 % of the MACs settled as paid, usefulShare of the blocks 0.000; no clearing price yet',
    '3 blocks: 12 units, 7 of them paid; 62 % of the MACs settled as paid, usefulShare of the blocks 0.054; clearing price 0.11 NCR per GMAC; 6 answers, 5 right, 6 verified',
  ])
})
