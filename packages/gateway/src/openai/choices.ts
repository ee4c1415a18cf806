/** From the answers of a request to the choices that are returned. */
import { JobError } from '../jobs/errors.ts'
import type { ScoreAnswer } from '../swarm/score.ts'
import { bestOf, majorityOf } from '../swarm/select.ts'
import type { GenerationState, LostSample, Sample } from './generation.ts'
import { apiErrorOf } from './job-failure.ts'
import type { GenerationRequest } from './request.ts'

export interface Choice {
  /** In the response. */
  readonly index: number
  readonly sample: Sample
}

export interface Chosen {
  readonly choices: readonly Choice[]
  /** All answers that were paid, those that are no choice among them. */
  readonly samples: readonly Sample[]
  readonly lost: readonly LostSample[]
  /** Mean log-probabilities, where they were needed to choose. */
  readonly scores: ReadonlyMap<Sample, number>
  /** Answers that have the text of the choice, for a majority. */
  readonly votes: ReadonlyMap<Sample, number>
}

/** Whether choosing needs scores: for `best`, and where more was asked for than is returned. */
const needsScores = ({ select, n, samples }: GenerationRequest): boolean =>
  select === 'best' || (select === 'all' && samples > n)

/**
 * `n` answers for each prompt, or one by majority or score. Scoring executes an answer, so it also finds one that is not the model's: that
 * one is lost, as after a check. Throws ApiError if nothing is left.
 */
export async function chooseAnswers(
  request: GenerationRequest,
  { route, samples, lost }: GenerationState,
  score: ScoreAnswer,
  signal: AbortSignal,
  blockTimeMs: number,
): Promise<Chosen> {
  const scores = new Map<Sample, number>()
  const votes = new Map<Sample, number>()
  const gone = [...lost]
  let kept = samples
  if (needsScores(request)) {
    const scored = await Promise.all(
      samples.map(async (sample) => {
        const { promptTokens, maxNewTokens } = route.prompts[sample.prompt]!
        const task = { model: route.at.model, promptTokens, maxNewTokens, decoding: sample.decoding }
        try {
          const checked = { ...sample, answer: { ...sample.answer, verification: 'verified' as const } }
          scores.set(checked, await score(task, sample.answer, signal))
          return checked
        } catch (error) {
          if (!(error instanceof JobError)) throw error
          const { prompt, sample: number, answer } = sample
          gone.push({ prompt, sample: number, jobId: answer.jobId, error: apiErrorOf(error, blockTimeMs) })
          return undefined
        }
      }),
    )
    kept = scored.filter((sample) => sample !== undefined)
    if (kept.length === 0) throw gone.at(-1)!.error
  }
  const perPrompt = request.select === 'all' ? request.n : 1
  const choices = request.prompts.flatMap((_, prompt) => {
    const own = kept.filter((sample) => sample.prompt === prompt)
    if (own.length === 0) return []
    return chosenFrom(request, own, scores, votes).map((sample, i) => ({ index: prompt * perPrompt + i, sample }))
  })
  return { choices, samples: kept, lost: gone, scores, votes }
}

function chosenFrom(
  { select, n }: GenerationRequest,
  own: readonly Sample[],
  scores: ReadonlyMap<Sample, number>,
  votes: Map<Sample, number>,
): readonly Sample[] {
  if (select === 'majority') {
    const { index, votes: count } = majorityOf(own.map(({ text }) => text))
    votes.set(own[index]!, count)
    return [own[index]!]
  }
  if (scores.size === 0) return own
  const best = bestOf(
    own.map((sample) => scores.get(sample)!),
    select === 'best' ? 1 : n,
  )
  return best.map((index) => own[index]!)
}
