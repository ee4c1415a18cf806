import type { GossipSub, GossipSubComponents, GossipsubOpts, TopicValidatorFn } from '@libp2p/gossipsub'
import { gossipsub, StrictNoSign, TopicValidatorResult } from '@libp2p/gossipsub'
import { defaultTopicScoreParams, type TopicScoreParams } from '@libp2p/gossipsub/score'
import type { PeerId } from '@libp2p/interface'
import { GOSSIP_SEEN_MS, MAX_GOSSIP_BYTES, MAX_GOSSIP_SEND_BUFFER, REJECT_POINTS } from '../limits.ts'
import type { Logger } from '../ports/log.ts'
import type { GossipTopic, GossipValidator, GossipVerdict, PeerName } from '../ports/network.ts'
import { NetworkError } from '../ports/network.ts'
import { type GossipJudge, gossipMessageId } from './gossip-judge.ts'

const NOBODY_HEARS = 'PublishError.NoPeersSubscribedToTopic'

const TOPICS: readonly GossipTopic[] = ['block', 'transaction']

/**
 * Only invalid messages count (P4), squared: four cost -32. gossipsub's own default gives them no weight that matters
 * (G9), and its thresholds for the rate of deliveries (P3) suit large networks: here every quiet peer would lose (G23).
 */
const TOPIC_SCORE: TopicScoreParams = {
  ...defaultTopicScoreParams,
  topicWeight: 1,
  timeInMeshWeight: 0,
  firstMessageDeliveriesWeight: 0,
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
  invalidMessageDeliveriesWeight: -2,
  invalidMessageDeliveriesDecay: 0.9,
}

/**
 * Weight of our own penalty points (P5). With four rejects, -32 above and -30 here, a peer is still above the graylist
 * threshold of -80; the fifth reaches the ban score. Were it lower, gossipsub would stop showing us the peer's messages
 * before we could ban it.
 */
const APP_SCORE_WEIGHT = -0.5

/** Any negative score costs a peer its place in the mesh, which in a small network can cut us off: one fault is free. */
const TOLERATED_POINTS: number = REJECT_POINTS

const VERDICTS: Readonly<Record<GossipVerdict, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

export interface GossipServiceOptions {
  readonly chainTag: string
  /** All peers share one IP address, which gossipsub would take for one attacker with many identities (G1). */
  readonly singleHost: boolean
  readonly penaltyPoints: (peer: PeerName) => number
}

/** The gossipsub service with our settings. */
export function gossipService(options: GossipServiceOptions): (components: GossipSubComponents) => GossipSub {
  const topics = TOPICS.map((topic) => topicName(options.chainTag, topic))
  const settings: Partial<GossipsubOpts> = {
    // Blocks and transactions carry their own proof of origin; without an author equal bytes are equal messages.
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: (message) => gossipMessageId(message.topic, message.data),
    seenTTL: GOSSIP_SEEN_MS,
    allowedTopics: topics,
    fallbackToFloodsub: false,
    floodPublish: true,
    batchPublish: true,
    // A message heard before is no error (G18). With nobody to hear it gossipsub throws, and does not remember it as said.
    allowPublishToZeroTopicPeers: false,
    ignoreDuplicatePublishError: true,
    heartbeatInterval: 700,
    mcacheLength: 12,
    gossipsubIWantFollowupMs: 12_000,
    // maxInboundDataLength stays at 4 MiB, what any peer can send: a longer frame deafens us to it for good (G6).
    maxOutboundBufferSize: MAX_GOSSIP_SEND_BUFFER,
    scoreParams: {
      topics: Object.fromEntries(topics.map((topic) => [topic, TOPIC_SCORE])),
      appSpecificScore: (peer) => Math.max(0, options.penaltyPoints(peer) - TOLERATED_POINTS),
      appSpecificWeight: APP_SCORE_WEIGHT,
      // An answer to IWANT that would exceed the frame cap is lost without a trace: not the peer's fault.
      behaviourPenaltyThreshold: 6,
      ...(options.singleHost ? { IPColocationFactorWeight: 0 } : {}),
    },
  }
  return gossipsub(settings)
}

function topicName(chainTag: string, topic: GossipTopic): string {
  return `/nacre/${chainTag}/${topic}/1`
}

/** Gossip of one node: our topics over gossipsub. */
export class Libp2pGossip {
  readonly #pubsub: GossipSub
  readonly #chainTag: string
  readonly #judge: GossipJudge
  readonly #log: Logger

  constructor(pubsub: GossipSub, chainTag: string, judge: GossipJudge, log: Logger) {
    this.#pubsub = pubsub
    this.#chainTag = chainTag
    this.#judge = judge
    this.#log = log
  }

  subscribe(topic: GossipTopic, validator: GossipValidator): void {
    const name = topicName(this.#chainTag, topic)
    const judge: TopicValidatorFn = async (from, message) =>
      VERDICTS[await this.#judge.judge(from.toString(), message.data, validator)]
    // The plain validator map, not `asyncValidation`: that one drops messages judged later than its cache lasts (G11).
    this.#pubsub.topicValidators.set(name, judge)
    this.#pubsub.subscribe(name)
  }

  async publish(topic: GossipTopic, bytes: Uint8Array): Promise<number> {
    if (bytes.length > MAX_GOSSIP_BYTES) throw new NetworkError('TOO_LARGE', `gossip of ${bytes.length} bytes`)
    try {
      // Copied: gossipsub keeps the array for as long as peers may ask for the message.
      const { recipients } = await this.#pubsub.publish(topicName(this.#chainTag, topic), new Uint8Array(bytes))
      return recipients.length
    } catch (error) {
      if (error instanceof Error && error.message === NOBODY_HEARS) return 0
      this.#log.warn({ event: 'gossip_not_published', topic, error: String(error) })
      return 0
    }
  }

  /** Peers that gossipsub exchanges messages with. One it has given up on is missing here although connected (G6). */
  peers(): Set<PeerName> {
    return new Set(this.#pubsub.getPeers().map((peer: PeerId) => peer.toString()))
  }
}
