/** The models that presets register (B2): the hash of each manifest and the root of its bootstrap corpus, hex. */

export interface RegisteredModel {
  readonly modelId: string
  readonly corpusRoot: string
}

export const NACRE_SMALL: RegisteredModel = {
  modelId: '8e5ddc79786330200063e7fba98bafcb1b134e0ad2878874551137d2b7a8d699',
  corpusRoot: '4a0903aa18785564f275bec6bf347592a1845395fdc821f8b117b122c5728cac',
}

export const UNIT_MODEL: RegisteredModel = {
  modelId: '10cbfae6081c69fcc36235688c2f6a19218b3bc85d78a5992914936fb6539b6f',
  corpusRoot: '225f3542a7a3151776241407ee2c0b29e8a72ed72c0bb15b93c59292ae2cef9b',
}
