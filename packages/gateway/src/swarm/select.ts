/** From several answers to one question to those that are returned. Pure; ties go to the earlier answer. */

/**
 * Position of the text that most answers gave, exactly the same characters; of equally frequent ones the one that was given first.
 * @param texts at least one. @returns also how many gave it.
 */
export function majorityOf(texts: readonly string[]): { readonly index: number; readonly votes: number } {
  const votes = new Map<string, number>()
  for (const text of texts) votes.set(text, (votes.get(text) ?? 0) + 1)
  let best = 0
  texts.forEach((text, index) => {
    if (votes.get(text)! > votes.get(texts[best]!)!) best = index
  })
  return { index: best, votes: votes.get(texts[best]!)! }
}

/** Positions of the `count` highest scores, the highest first. */
export function bestOf(scores: readonly number[], count: number): readonly number[] {
  const order = scores.map((_, index) => index)
  order.sort((a, b) => scores[b]! - scores[a]! || a - b)
  return order.slice(0, count)
}
