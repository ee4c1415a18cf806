/** What is measured, in sections whose rows are interleaved. */

import { pearlSection } from './pearl-section.ts'
import { DEVNET_GATE_UP, DEVNET_SHAPES, gemmSection, LARGE_SHAPES, lotterySection } from './product-sections.ts'
import type { SectionSpec } from './section.ts'
import { hashSection, redrawSection, tokenSection, unitSection } from './unit-sections.ts'

export function plan(quick: boolean): SectionSpec[] {
  const rounds = (full: number): number => (quick ? 3 : full)
  const budgetMs = quick ? 15 : 40
  const large = quick ? ['1024x1024x1024', '128x4096x4096'] : LARGE_SHAPES
  const lotteryShapes = quick ? ['128x4096x4096'] : ['128x4096x4096', '2048x2048x2048']
  const ranks = quick ? [128] : [64, 128]
  const devnet = quick ? [DEVNET_GATE_UP] : DEVNET_SHAPES
  return [
    ...large.map((shape) => gemmSection(shape, rounds(15), quick ? 1 : 2, budgetMs)),
    ...devnet.map((shape) => gemmSection(shape, rounds(15), quick ? 1 : 2, budgetMs / 4)),
    ...lotteryShapes.map((shape) => lotterySection(shape, ranks, rounds(11), quick ? 1 : 2, budgetMs)),
    unitSection(rounds(25), quick ? 2 : 6, budgetMs),
    redrawSection(rounds(25), quick ? 2 : 6, budgetMs),
    pearlSection(rounds(25), quick ? 2 : 6, budgetMs),
    tokenSection('devnet', 'The devnet’s model', rounds(15), quick ? 1 : 3, budgetMs),
    tokenSection('checkpoint', 'A llama2.c checkpoint', rounds(15), quick ? 1 : 3, budgetMs),
    hashSection(rounds(11), 1, budgetMs / 4),
  ]
}
