/** Chapter 1, rule by rule: the valid case and the smallest invalid ones. */
import fc from 'fast-check'
import * as P from 'micro-packed'
import { describe, expect, test } from 'vitest'
import {
  boundedBytes,
  boundedList,
  decodeAddress,
  defineCodec,
  EMPTY_MERKLE_ROOT,
  type ErrorCode,
  emptyLtHash,
  encodeAddress,
  hexToBytes,
  keyedHash,
  keyPairFromSeed,
  ltHashAdd,
  ltHashFromBytes,
  ltHashRemove,
  ltHashToBytes,
  merkleLeafHash,
  merkleRoot,
  merkleTree,
  openMerkle,
  ProtocolError,
  signHash,
  stateRootOf,
  u8,
  u32,
  u64,
  u64Safe,
  utf8ToBytes,
  verifyHash,
  verifyMerkle,
} from '../src/index.ts'
import { hashVectors } from './vectors/hashes.ts'
import { asJson, storedVectors } from './vectors/vector-file.ts'

function codeOf(run: () => unknown): ErrorCode | 'accepted' {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}

test('vectors/hashes.json is what its builder produces', () => {
  expect(storedVectors('hashes', hashVectors)).toEqual(asJson(hashVectors()))
})

describe('CNV-1: encoding', () => {
  const codec = defineCodec(
    'example',
    P.struct({ kind: u8, amount: u64, note: boundedBytes(4), list: boundedList(3, u32) }) as P.CoderType<{
      kind: number
      amount: bigint
      note: Uint8Array
      list: number[]
    }>,
    64,
  )
  const value = { kind: 7, amount: 2n ** 64n - 1n, note: new Uint8Array([1, 2]), list: [1, 0xffffffff] }
  const bytes = codec.encode(value)

  test('fields in order, little-endian, counts before items', () => {
    expect(bytes).toEqual(hexToBytes('07ffffffffffffffff020000000102020000000100000' + '0ffffffff'))
    expect(codec.decode(bytes)).toEqual(value)
  })
  test('a byte too many', () =>
    expect(codeOf(() => codec.decode(new Uint8Array([...bytes, 0])))).toBe('CODEC_TRAILING_BYTES'))
  test('a byte too few', () => expect(codeOf(() => codec.decode(bytes.slice(0, -1)))).toBe('CODEC_MALFORMED'))
  test('a count above its limit allocates nothing', () =>
    expect(codeOf(() => codec.decode(hexToBytes('070000000000000000ffffffff')))).toBe('CODEC_MALFORMED'))
  test('more bytes than the object may have', () =>
    expect(codeOf(() => codec.decode(new Uint8Array(65)))).toBe('CODEC_TOO_LARGE'))
  test('a value outside its field does not encode', () =>
    expect(codeOf(() => codec.encode({ ...value, kind: 256 }))).toBe('CODEC_MALFORMED'))
  test('two spellings of one value: only one decodes', () => {
    // An inner coder that accepts any byte as "true": the classic malleability.
    const lenient = defineCodec(
      'flag',
      P.apply(u8, { encode: (n: number) => n !== 0, decode: (b: boolean) => (b ? 1 : 0) }),
      1,
    )
    expect(lenient.decode(new Uint8Array([1]))).toBe(true)
    expect(codeOf(() => lenient.decode(new Uint8Array([2])))).toBe('CODEC_NOT_CANONICAL')
  })
  test('a decoded value shares no memory with the input', () => {
    const input = bytes.slice()
    const decoded = codec.decode(input)
    input.fill(0)
    expect(decoded.note).toEqual(new Uint8Array([1, 2]))
  })
  test('a time above 2^53 does not decode', () => {
    const time = defineCodec('time', u64Safe, 8)
    expect(time.decode(hexToBytes('ffffffffffff1f00'))).toBe(Number.MAX_SAFE_INTEGER)
    expect(codeOf(() => time.decode(hexToBytes('0000000000002000')))).toBe('CODEC_MALFORMED')
  })
  test('any bytes: a value that re-encodes to them, or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (input) => {
        if (codeOf(() => codec.decode(input)) === 'accepted') expect(codec.encode(codec.decode(input))).toEqual(input)
      }),
    )
  })
})

describe('CNV-3, CNV-5: keys and addresses', () => {
  const keys = keyPairFromSeed(new Uint8Array(32).fill(1))
  const hash = keyedHash(new Uint8Array(32), utf8ToBytes('message'))
  const signature = signHash(hash, keys)

  test('a signature is for one hash, one key, one form', () => {
    expect(verifyHash(hash, signature, keys.publicKey)).toBe(true)
    // Kept from now on; what differs from it is still checked.
    expect(verifyHash(hash.slice(), signature.slice(), keys.publicKey.slice())).toBe(true)
    expect(verifyHash(keyedHash(hash, hash), signature, keys.publicKey)).toBe(false)
    expect(verifyHash(hash, signature, keyPairFromSeed(new Uint8Array(32).fill(2)).publicKey)).toBe(false)
    expect(verifyHash(hash, signature.slice(1), keys.publicKey)).toBe(false)
    expect(verifyHash(hash, signature, new Uint8Array(32).fill(0xff))).toBe(false)
  })
  test('a second s for the same R is refused: signatures cannot be re-encoded by adding the group order', () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    let s = signature.slice(32).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n) + order
    const malleated = signature.slice()
    for (let i = 32; i < 64; i++, s >>= 8n) malleated[i] = Number(s & 255n)
    expect(verifyHash(hash, malleated, keys.publicKey)).toBe(false)
  })
  test('addresses: prefix, checksum and length', () => {
    const account = new Uint8Array(20).fill(3)
    const address = encodeAddress(account, 'ncr')
    expect(decodeAddress(address, 'ncr')).toEqual(account)
    expect(codeOf(() => decodeAddress(address, 'tncr'))).toBe('ADDRESS_INVALID')
    const mistyped = `${address.slice(0, -1)}${address.endsWith('q') ? 'p' : 'q'}`
    expect(codeOf(() => decodeAddress(mistyped, 'ncr'))).toBe('ADDRESS_INVALID')
    expect(codeOf(() => decodeAddress(encodeAddress(new Uint8Array(19), 'ncr'), 'ncr'))).toBe('ADDRESS_INVALID')
    expect(codeOf(() => decodeAddress('', 'ncr'))).toBe('ADDRESS_INVALID')
  })
})

describe('CNV-6: Merkle trees', () => {
  const leaves = Array.from({ length: 7 }, (_, i) => utf8ToBytes(`leaf ${i}`))
  const tree = merkleTree(leaves)
  const hashes = (indices: number[]): Uint8Array[] => indices.map((i) => merkleLeafHash(leaves[i]!))
  const verify = (indices: number[], count = 7, proof = openMerkle(tree, [1, 2, 6]), opened = hashes(indices)): void =>
    verifyMerkle(tree.root, count, indices, opened, proof)

  test('a valid multiproof', () => expect(codeOf(() => verify([1, 2, 6]))).toBe('accepted'))
  test('unsorted indices', () => expect(codeOf(() => verify([2, 1, 6]))).toBe('MERKLE_INDICES_NOT_INCREASING'))
  test('a duplicate index', () => expect(codeOf(() => verify([1, 1, 6]))).toBe('MERKLE_INDICES_NOT_INCREASING'))
  test('an index outside the tree', () =>
    expect(codeOf(() => verify([1, 2, 7], 7, openMerkle(tree, [1, 2, 6]), hashes([1, 2, 6])))).toBe(
      'MERKLE_INDEX_OUT_OF_RANGE',
    ))
  test('fractional, negative and huge indices', () => {
    for (const index of [0.5, -1, 2 ** 32 + 1, Number.NaN]) {
      expect(codeOf(() => verify([index], 7, [], hashes([0])))).toBe('MERKLE_INDEX_OUT_OF_RANGE')
    }
  })
  test('another index for the same leaf', () => expect(codeOf(() => verify([1, 3, 6]))).not.toBe('accepted'))
  test('another leaf count', () => expect(codeOf(() => verify([1, 2, 6], 8))).not.toBe('accepted'))
  test('a hash too many', () =>
    expect(codeOf(() => verify([1, 2, 6], 7, [...openMerkle(tree, [1, 2, 6]), new Uint8Array(32)]))).toBe(
      'MERKLE_PROOF_LENGTH',
    ))
  test('a hash too few', () =>
    expect(codeOf(() => verify([1, 2, 6], 7, openMerkle(tree, [1, 2, 6]).slice(1)))).toBe('MERKLE_PROOF_LENGTH'))
  test('another leaf', () =>
    expect(codeOf(() => verify([1, 2, 6], 7, undefined, hashes([1, 2, 5])))).toBe('MERKLE_ROOT_MISMATCH'))
  test('nothing opened proves nothing', () => expect(codeOf(() => verify([], 7, []))).toBe('MERKLE_PROOF_LENGTH'))
  test('an inner node is no leaf', () => {
    const inner = tree.levels[1]![0]!
    const four = merkleTree(leaves.slice(0, 4))
    expect(codeOf(() => verifyMerkle(four.root, 2, [0], [inner], [tree.levels[1]![1]!]))).toBe('MERKLE_ROOT_MISMATCH')
  })
  test('an odd leaf is promoted, never doubled', () => {
    expect(merkleRoot(leaves.slice(0, 3))).not.toEqual(merkleRoot([...leaves.slice(0, 3), leaves[2]!]))
  })
  test('the empty root is a constant of its own', () => {
    expect(merkleRoot([])).toEqual(EMPTY_MERKLE_ROOT)
    expect(merkleRoot([new Uint8Array(0)])).not.toEqual(EMPTY_MERKLE_ROOT)
  })
  test('any opening of any tree verifies, and only with its own leaves', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.array(fc.nat(69), { minLength: 1, maxLength: 12 }),
        fc.nat(),
        (count, raw, pick) => {
          const some = merkleTree(Array.from({ length: count }, (_, i) => utf8ToBytes(`x${i}`)))
          const indices = [...new Set(raw.map((i) => i % count))].sort((a, b) => a - b)
          const opened = indices.map((i) => some.levels[0]![i]!)
          const proof = openMerkle(some, indices)
          verifyMerkle(some.root, count, indices, opened, proof)
          const forged = opened.map((h, i) => (i === pick % opened.length ? keyedHash(h, h) : h))
          expect(codeOf(() => verifyMerkle(some.root, count, indices, forged, proof))).toBe('MERKLE_ROOT_MISMATCH')
        },
      ),
    )
  })
})

describe('BLK-7: state hash', () => {
  const entry = (i: number): [Uint8Array, Uint8Array] => [utf8ToBytes(`key ${i}`), utf8ToBytes(`value ${i}`)]
  test('order does not matter, removal undoes, key and value do not run together (P7)', () => {
    const ab = ltHashAdd(ltHashAdd(emptyLtHash(), ...entry(1)), ...entry(2))
    const ba = ltHashAdd(ltHashAdd(emptyLtHash(), ...entry(2)), ...entry(1))
    expect(stateRootOf(ab)).toEqual(stateRootOf(ba))
    expect(ltHashRemove(ab, ...entry(2))).toEqual(ltHashAdd(emptyLtHash(), ...entry(1)))
    const shifted = ltHashAdd(emptyLtHash(), utf8ToBytes('ab'), utf8ToBytes('c'))
    expect(stateRootOf(shifted)).not.toEqual(stateRootOf(ltHashAdd(emptyLtHash(), utf8ToBytes('a'), utf8ToBytes('bc'))))
    expect(ltHashFromBytes(ltHashToBytes(ab))).toEqual(ab)
  })
})
