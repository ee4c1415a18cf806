/**
 * Builds `vectors/pearl.json`: the Pearl baseline (chapter 12). Entries marked "published" are check values of the Pearl project, or
 * of a miner's author who computed them with the Pearl project's code; they stand here as literals, so that only they decide.
 */
import { bytesToHex, hexToBytes, u32ListToBytes } from '../../src/bytes.ts'
import { ProtocolError } from '../../src/errors.ts'
import { pearl } from '../../src/index.ts'
import { COLUMNS_16, committed, HEADER, ROWS_8, ramp, randomOperand, SMALL } from '../pearl-fixture.ts'

const repeat = (byte: string): string => byte.repeat(32)
const bitsHex = (bits: number): string => `0x${bits.toString(16).padStart(8, '0')}`

/** Published: label, slot, index, digest under the key 91..91. */
const BLOCKS: readonly (readonly [string, number, number, string])[] = [
  ['A_tensor', 0, 0, 'f7fe837e11790e50be4db71f12532f6fba10a5ca10d2f8a41cb458bba8b94453'],
  ['A_tensor', 0, 1, 'dca5ec27b8d8ba5db7973454b425919914d2250ed3e932970613e7fdc6585f84'],
  ['A_tensor', 0, 7, '983262e16c4d5408b1a5113e84575b9f86acd4046529ac4fe135896a636365a9'],
  ['A_tensor', 1, 0, '1df878f9f7a9576b1dc22f68fe65664c684b0829f36f2d4500c9a632d5075080'],
  ['A_tensor', 1, 1, '55521a0a1f6408a78c40eaf1ec1a21c434101ceed68c1e10e4f0d9f66d1613e0'],
  ['B_tensor', 0, 0, '6de8e1f932e6da2254994310bad24b28e7e41fafdedc27402cea0cd871eee94d'],
  ['B_tensor', 1, 0, 'a63e5b591e687d08d9fe48444c12246a9bade7d2bedd9413451a30be42fac0d9'],
]

/** Published: subsidies in grains. */
const SUBSIDIES: readonly (readonly [number, string])[] = [
  [1, '322964134063'],
  [66_200, '266036701833'],
  [650_226, '80741219776'],
  [1_300_452, '35884977369'],
  [3_251_130, '8971242042'],
]

/** Published: compact bits and their targets; 0 for bits without a target. */
const TARGETS: readonly (readonly [number, bigint])[] = [
  [0x1d00ffff, 0xffffn << 208n],
  [0x1b0404cb, 0x0404cbn << 192n],
  [0x03123456, 0x123456n],
  [0x1d000000, 0n],
  [0x2077ffff, 0x77ffffn << 232n],
  [0x1d800000, 0n],
]

/** Published: pairs of a seed rule for job key 11.., roots aa.. and bb.., m 192, n 320. */
const SEEDS = [
  [
    'legacy',
    'add6f7ea5feebf89c8a77e2ebfa0d82442e7dbb0046dbd48971861d12fcb0177',
    '483b07b6f73105030b9482255f37723f3fed69ae916724ee8291848b8c28794b',
  ],
  [
    'v3',
    '60ed9b73c5a9599b200b6cd563e7f0d5d9a67d2402d85fd4ef966c580080d0e5',
    '301784168005ec833ab0aa60006f7fe7faaa95307d8c1fc6819b2ffdd717eccf',
  ],
] as const

/** A and B of a whole problem: SplitMix64 streams of these seeds, xor the problem's number (see `randomOperand`). */
const OPERAND_SEEDS = { a: 0x73706d2d612d3031n, b: 0x73706d2d622d3031n } as const

/**
 * Published: from header and operands to tickets, for tiles of 8 x 16 at rank 128. `allTiles` is BLAKE3 of all tiles by rows, then
 * columns: rowOffset u32 | columnOffset u32 | state (64) | ticket (32) each.
 */
const PROBLEMS = [
  {
    problem: 1,
    m: 256,
    n: 256,
    k: 2048,
    configuration:
      '00080000800000000707000000000001030700000000000000000000000000000000000000000000000000000000000000000000',
    jobKey: '10c0c7c5838696784d3ae97adf44e86981e5dc389c8a7849f7fbf30436be33bd',
    rootA: '17302742ab0eeb6766e5fd422a70fb06ddbe125327c8a846f9767e1ed8f35af6',
    rootB: '5411f0547dc7325c8844f6c36c3a536e6d5ae7830a0ed65fa3e3cb8d951fa756',
    boundA: 'cb7c309ed7047a9d1adbb0876fcb9af62f303928976020c57a6f8a038fa69a7d',
    boundB: '0410fe2733246fc3e71898461b36a38bdbd5d05a0c9892bde1e4ac14b7618c8c',
    seedB: 'd5306d2d7c3c5bf6e59948f5e6fda75558ce1a63a06ffa3bf2bd1aa195f3850c',
    seedA: '005ee146347c79272415322173417c2b8428cbcaf84cef49ac887a43a415a6a5',
    allTiles: '20fa5b8036794d4bd0746b244884647397848919f133ee0877a239dac4c3eaa9',
    tiles: [
      {
        rowOffset: 0,
        columnOffset: 0,
        state: [
          4294894919, 4294946875, 4294893100, 4294711143, 4294738410, 198218, 213800, 4294895623, 111660, 4294779514,
          4294774246, 160542, 96872, 227936, 134818, 513154,
        ],
        ticket: '0e9359d550d555994ea1cf0d3ec4a015e63fd019f011c0082ab6a9ad5570608d',
      },
      {
        rowOffset: 0,
        columnOffset: 66,
        state: [
          4294939500, 4294912970, 15274, 4294934983, 4294900577, 96021, 4294895111, 4294913015, 139780, 4294800959,
          4294572408, 342349, 4294487123, 4294694492, 315417, 389314,
        ],
        ticket: 'a449697820f4f88effda32edbe7c15f87aa78c3b9ab0da8559a26a6e5186a967',
      },
    ],
  },
  {
    problem: 3,
    m: 512,
    n: 256,
    k: 4096,
    configuration:
      '00100000800000000707000000000001030700000000000000000000000000000000000000000000000000000000000000000000',
    jobKey: '65aadc32a878395383a03364e43a73eb6ff304b60a2538e4d1db2ec5691ab861',
    rootA: '41b9ab2b3ea93961abecc3a3dbb1677df98f58343bdf35813fd82ed599dd9524',
    rootB: '9f8f088fe104737cf91eadb0c1262562fc509dfac536b281960202c2d5e32af1',
    boundA: '566ce122672a2b594f90b81d014b51ca95cbea5dff93d018c3eaa426af901ede',
    boundB: '51482ba0480f1d23fdbb04e2aa89bc744cd874e329af66c7dcab7e8d7b3b9649',
    seedB: '28de7085378238449cc943861a910fdfc37c74a97655e8d70ac970d863ccfc61',
    seedA: 'd775e4637653287a4d0ac46341e1a62ac68b162aee98b582f4fde01d0a619945',
    tiles: [
      {
        rowOffset: 0,
        columnOffset: 0,
        state: [
          3975964119, 4040983871, 4260157683, 4060773122, 1395609645, 868606701, 3947360644, 1873692471, 1545845568,
          2469633758, 725159614, 1268220168, 2342650279, 3255231142, 1524419883, 4270579312,
        ],
        ticket: 'e7f276bf01340848ba744ba011eba583bf20fb16b1db650dfc5e08a601f8241a',
      },
    ],
  },
] as const

/** The header of {@link PROBLEMS}: their bits are 0x1d7fffff. */
const PROBLEM_HEADER =
  '000000200101010101010101010101010101010101010101010101010101010101010101020202020202020202020202020202020202020202020202020202020202020266666666ffff7f1d'

const PATTERNS: readonly (readonly number[])[] = [
  ROWS_8,
  COLUMNS_16,
  [0, 1, 2, 3],
  [0, 8],
  [0, 8, 64, 72],
  [0, 1, 8, 9, 32, 33, 40, 41, 64, 65, 72, 73, 96, 97, 104, 105],
  [0, 255],
]

/** Six bytes that are no pattern. */
const BAD_PATTERNS: readonly string[] = [
  '0000000000', // five bytes
  '00000001ffff', // a pair after one of length 1
  '010000000000', // length 1 with a factor
  '000300010000', // a single stride in two pairs
  'ffffffff0100', // period above 2^24, in length and stride
  'ffffffffff01',
]

function errorOf(run: () => unknown): string {
  try {
    run()
  } catch (cause) {
    if (cause instanceof ProtocolError) return cause.code
    throw cause
  }
  throw new Error('an invalid vector passes')
}

/** Chapter 12 by example. */
export function pearlVectors(): unknown {
  const small = committed(SMALL)
  const tile = pearl.drawTile(small, 1, 33)
  const proof = pearl.encodePlainProof(pearl.openTile(small, 1, 33))
  return {
    about:
      'The Pearl baseline (chapter 12). Hex is bytes in order. Entries marked "published" are check values of Pearl; operands of problems: byte t & 127, less 64, of the SplitMix64 stream seeded with operandSeeds xor problem.',
    randomBlock: BLOCKS.map(([label, slot, index, digest]) => {
      return { source: 'published', label, slot, index, key: repeat('91'), digest }
    }),
    sparseFactor: [
      { label: 'A_tensor', key: repeat('a3'), rank: 32, k: 64 },
      { label: 'B_tensor', key: repeat('5c'), rank: 1024, k: 20 },
    ].map((entry) => {
      const pairs = pearl.sparseFactor(entry.label, hexToBytes(entry.key), entry.k, entry.rank)
      return { source: entry.rank === 32 ? 'published' : 'own', ...entry, pairs }
    }),
    uniformFactor: [
      { label: 'A_tensor', key: repeat('c5'), rows: 4, rank: 32 },
      { label: 'B_tensor', key: repeat('5c'), rows: 3, rank: 64 },
    ].map((entry) => {
      const values = [...pearl.uniformFactor(entry.label, hexToBytes(entry.key), entry.rows, entry.rank)]
      return { source: entry.rows === 4 ? 'published' : 'own', ...entry, values }
    }),
    operandRoot: [
      {
        source: 'published',
        operand: '8 x 64 values ((7 i + 3 j) mod 129) - 64',
        rows: 8,
        k: 64,
        key: repeat('77'),
        root: 'ba2fbd5662e47f297a59e5bad6877d43f5760d00783cd68856323326696e0143',
      },
      ...[16, 17, 48, 79].map((rows) => {
        const root = bytesToHex(pearl.operandRoot(ramp(rows, 64), hexToBytes(repeat('77'))))
        return { source: 'own', operand: 'the same with other rows', rows, k: 64, key: repeat('77'), root }
      }),
    ],
    salts: {
      source: 'published',
      A: '8249406ca0ed15169616f692fcf076f892dbdb2a7023b852f0d47719c390017b',
      B: '11300632ec6301ca2be2af718b3f4d4f1ae9c63988e8cc044844301d71b89aa9',
    },
    seeds: SEEDS.map(([rule, seedB, seedA]) => {
      const [jobKey, hashA, hashB] = ['11', 'aa', 'bb'].map(repeat)
      return { source: 'published', rule, jobKey, hashA, hashB, m: 192, n: 320, seedB, seedA }
    }),
    emission: SUBSIDIES.map(([height, grains]) => ({ source: 'published', height, grains })),
    targetFromBits: [
      ...TARGETS.map(([bits, target]) => ({ source: 'published', bits: bitsHex(bits), target: String(target) })),
      ...[0x207fffff, 0x2100ffff, 0x21010000, 0x22000100, 0x02123456, 0x01123456, 0x00123456, 0xff7fffff].map(
        (bits) => ({ source: 'own', bits: bitsHex(bits), target: String(pearl.targetFromBits(bits)) }),
      ),
    ],
    nextBits: [
      [0x1a07fff8, 194],
      [0x1a07fff8, 0],
      [0x1a07fff8, -7200],
      [0x1a07fff8, 604_800],
      [0x1a07fff8, -604_700],
      [0x1b00ffff, 195],
      [0x03000001, 0],
    ].map(([bits, solveSeconds]) => {
      return { bits: bitsHex(bits!), solveSeconds, next: bitsHex(pearl.nextBits(bits!, solveSeconds!)) }
    }),
    pattern: PATTERNS.map((indices) => {
      const { pattern } = pearl.patternOfIndices(indices, pearl.MAX_DIMENSION)
      return { indices, bytes: bytesToHex(pearl.encodePattern(pattern)) }
    }),
    badPattern: BAD_PATTERNS.map((hex) => {
      return { bytes: hex, error: errorOf(() => pearl.decodePattern(hexToBytes(hex))) }
    }),
    problem: {
      source: 'published',
      header: PROBLEM_HEADER,
      operandSeeds: { a: `0x${OPERAND_SEEDS.a.toString(16)}`, b: `0x${OPERAND_SEEDS.b.toString(16)}` },
      cases: PROBLEMS,
    },
    plainProof: {
      operands: 'A: seed 1, B: seed 2; see about',
      header: bytesToHex(pearl.encodeHeader(HEADER)),
      configuration: bytesToHex(pearl.encodeConfiguration(small.configuration)),
      m: SMALL.m,
      n: SMALL.n,
      rowOffset: 1,
      columnOffset: 33,
      jobKey: bytesToHex(small.jobKey),
      state: bytesToHex(u32ListToBytes(tile.state)),
      ticket: bytesToHex(tile.ticket),
      bytes: proof.length,
      /** Of the encoded proof, under a key of zeros. */
      root: bytesToHex(pearl.operandRoot(proof, new Uint8Array(32))),
    },
  }
}

/** A and B of one of the published problems. */
export function problemOperands(problem: number, m: number, n: number, k: number): { a: Int8Array; b: Int8Array } {
  const seed = BigInt(problem)
  return { a: randomOperand(OPERAND_SEEDS.a ^ seed, m * k), b: randomOperand(OPERAND_SEEDS.b ^ seed, n * k) }
}
