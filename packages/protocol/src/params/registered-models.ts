/** The models that presets register (B2): the hash of each manifest and the root of its bootstrap corpus, hex. */

export interface RegisteredModel {
  readonly modelId: string
  readonly corpusRoot: string
}

export const NACRE_SMALL: RegisteredModel = {
  modelId: 'e3003c99f515b6b933b09d03f902f07f38157d2cca70e546364a4ad75d4c2027',
  corpusRoot: 'c22fb11ba416a188c0dae885b684a7b6e3209bf476e76820db38d674f4e648d7',
}

export const UNIT_MODEL: RegisteredModel = {
  modelId: '10cbfae6081c69fcc36235688c2f6a19218b3bc85d78a5992914936fb6539b6f',
  corpusRoot: '225f3542a7a3151776241407ee2c0b29e8a72ed72c0bb15b93c59292ae2cef9b',
}
