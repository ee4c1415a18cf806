/** Amounts as people write them, and lines typed without being shown. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatNcr, parseNcr } from '../src/wallet/amount.ts'
import { HiddenLine } from '../src/wallet/terminal.ts'

describe('an amount', () => {
  test.each([
    ['0', 0n],
    ['1', 100_000_000n],
    ['12.5', 1_250_000_000n],
    ['0.00000001', 1n],
    ['007.10', 710_000_000n],
    ['90071992.54740993', 9_007_199_254_740_993n], // beyond the integers of a double
    ['184467440737.09551615', 2n ** 64n - 1n],
    [`${'0'.repeat(100)}1`, 100_000_000n],
  ])('%s is %d grains', (text, grains) => {
    expect(parseNcr('the amount', text)).toBe(grains)
  })

  test.each([
    ['-1', 'AMOUNT_NEGATIVE'],
    ['-0', 'AMOUNT_NEGATIVE'],
    ['-.5', 'AMOUNT_NEGATIVE'],
    ['0.000000001', 'AMOUNT_TOO_FINE'],
    ['1.000000000', 'AMOUNT_TOO_FINE'],
    ['184467440737.09551616', 'AMOUNT_TOO_LARGE'],
    ['9'.repeat(5000), 'AMOUNT_TOO_LARGE'],
    [`1${'0'.repeat(60)}`, 'AMOUNT_TOO_LARGE'],
    ['', 'AMOUNT_MALFORMED'],
    ['1,5', 'AMOUNT_MALFORMED'],
    ['1e3', 'AMOUNT_MALFORMED'],
    ['0x10', 'AMOUNT_MALFORMED'],
    ['.5', 'AMOUNT_MALFORMED'],
    ['5.', 'AMOUNT_MALFORMED'],
    ['1 000', 'AMOUNT_MALFORMED'],
    ['+1', 'AMOUNT_MALFORMED'],
    ['NaN', 'AMOUNT_MALFORMED'],
    ['١٢', 'AMOUNT_MALFORMED'],
  ])('%j is refused', (text, code) => {
    expect(() => parseNcr('the amount', text)).toThrow(expect.objectContaining({ code, exitCode: 2 }))
  })

  test('written and read again is the same', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (grains) => {
        expect(parseNcr('x', formatNcr(grains).replace(' NCR', ''))).toBe(grains)
      }),
    )
    expect(formatNcr(-150_000_000n)).toBe('-1.5 NCR')
  })
})

describe('a hidden line', () => {
  const type = (...keys: string[]) => {
    const line = new HiddenLine()
    return keys.map((each) => line.feed(each))
  }

  test.each([
    [['abc\r'], [{ line: 'abc' }]],
    [
      ['a', 'b', '\n'],
      [undefined, undefined, { line: 'ab' }],
    ],
    [['ab\x7fc\b\bd\r'], [{ line: 'd' }]],
    [['wrong\x15right\r'], [{ line: 'right' }]],
    [['pässwörd 😀\x7f\r'], [{ line: 'pässwörd ' }]],
    [
      ['a\x1b[D', 'b\r'],
      [undefined, { line: 'ab' }],
    ],
    [['\x7f\x7f\r'], [{ line: '' }]],
    [['ab\x03'], ['interrupt']],
    [['\x04'], ['interrupt']],
    [
      ['one\r\ntwo\rthr', '', 'ee\n'],
      [{ line: 'one' }, { line: 'two' }, { line: 'three' }],
    ],
  ])('%j', (keys, expected) => {
    expect(type(...keys)).toEqual(expected)
  })

  test('is bounded', () => {
    expect(type(`${'x'.repeat(1_000_000)}\r`)).toEqual([{ line: 'x'.repeat(1024) }])
  })
})
