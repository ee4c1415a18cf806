/** What breaks when a parameter is off, zero or loose: for whoever experiments. Paths are those of `PARAM_FIELDS`. */
export const PARAM_BREAKS: Readonly<Record<string, string>> = {
  'network.launchDelayMs': '0: whoever knows first mines first',
  'network.genesisBeacon': 'known beforehand: work can be prepared before the launch',
  'block.maxFutureMs': 'large: miners pretend long solve times and lower the difficulty',
  'block.maturityBlocks': 'short: rewards are spent before a fault can be shown',
  'block.winnerCheck': 'not `execute`: a ticket proof alone can be ground by varying the trace root',
  'difficulty.halfLifeMs':
    'short: chance and hopping miners move the difficulty; long: a change of speed is felt for days',
  'difficulty.genesisBits': 'too easy: a burst of blocks until the rule has caught up; too hard: no blocks',
  'emission.ramp': 'none: a week of head start with a faster kernel owns percents of the first year',
  'emission.premineGrains': 'above 0: somebody owns coins that nobody could mine',
  'emission.teamSharePpm': 'above 0: a part of what everybody mines belongs to the team',
  'emission.bootstrapFactorPpm': 'high: bootstrap prompts, which nobody asked for, are paid in full',
  'bindings.assignedInputs': 'off: random or structured matrices mine as well as real prompts',
  'bindings.registeredWeights': 'off: a private model that is cheaper to run wins more often',
  'bindings.operandBeforeNoise': 'off: the operand is chosen, or its dimensions bent, once the noise is known',
  'bindings.completionBeforeDraw': 'off: only the first layer is computed, the rest of the inference is skipped',
  'bindings.singleUse': 'off: one result is drawn again and again, cached work is mined twice',
  'bindings.checked': 'off: a garbage trace is a free nonce, blocks cost hashes instead of inference',
  'bindings.provenance': 'open: the miner brings whatever matrices it likes',
}
