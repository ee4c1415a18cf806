import { bytesToHex, utf8ToBytes } from '../../src/bytes.ts'
import { HASH_TAGS, type HashTag, taggedHash, tagKey } from '../../src/hash.ts'
import { accountOf, encodeAddress, keyPairFromSeed, signHash } from '../../src/keys.ts'
import { emptyLtHash, ltHashAdd, ltHashRemove, stateRootOf } from '../../src/lthash.ts'
import { merkleTree, openMerkle } from '../../src/merkle.ts'

const leaf = (i: number): Uint8Array => utf8ToBytes(`leaf ${i}`)

const OPENINGS: readonly [leafCount: number, indices: readonly number[]][] = [
  [1, [0]],
  [2, [1]],
  [3, [2]],
  [5, [0, 4]],
  [7, [1, 2, 6]],
  [16, [4, 5, 6, 7]],
  [33, [0, 15, 32]],
]

/** Vectors of chapter 1: tags, Merkle trees, state hash, keys. */
export function hashVectors(): unknown {
  let state = emptyLtHash()
  const lthash = [{ change: 'empty', stateRoot: bytesToHex(stateRootOf(state)) }]
  state = ltHashAdd(state, utf8ToBytes('a'), utf8ToBytes('1'))
  lthash.push({ change: 'add a=1', stateRoot: bytesToHex(stateRootOf(state)) })
  state = ltHashAdd(state, utf8ToBytes('b'), utf8ToBytes('2'))
  lthash.push({ change: 'add b=2', stateRoot: bytesToHex(stateRootOf(state)) })
  state = ltHashRemove(state, utf8ToBytes('a'), utf8ToBytes('1'))
  lthash.push({ change: 'remove a=1', stateRoot: bytesToHex(stateRootOf(state)) })
  return {
    about:
      'BLAKE3 keyed by BLAKE3(tag); Merkle leaves are the ASCII texts "leaf 0", "leaf 1", ...; all hex is bytes in order',
    tags: (Object.keys(HASH_TAGS) as HashTag[]).map((name) => ({
      name,
      tag: HASH_TAGS[name],
      key: bytesToHex(tagKey(name)),
      hashOfAbc: bytesToHex(taggedHash(name, utf8ToBytes('abc'))),
    })),
    merkleRoots: [0, 1, 2, 3, 4, 5, 8, 33].map((leafCount) => ({
      leafCount,
      root: bytesToHex(merkleTree(Array.from({ length: leafCount }, (_, i) => leaf(i))).root),
    })),
    merkleOpenings: OPENINGS.map(([leafCount, indices]) => {
      const tree = merkleTree(Array.from({ length: leafCount }, (_, i) => leaf(i)))
      return { leafCount, indices, proof: openMerkle(tree, indices).map(bytesToHex), root: bytesToHex(tree.root) }
    }),
    lthash,
    keys: [1, 2].map((byte) => {
      const keys = keyPairFromSeed(new Uint8Array(32).fill(byte))
      const message = taggedHash('block', utf8ToBytes('abc'))
      return {
        seed: bytesToHex(keys.secretKey),
        publicKey: bytesToHex(keys.publicKey),
        account: bytesToHex(accountOf(keys.publicKey)),
        address: encodeAddress(accountOf(keys.publicKey), 'ncr'),
        testAddress: encodeAddress(accountOf(keys.publicKey), 'tncr'),
        signedHash: bytesToHex(message),
        signature: bytesToHex(signHash(message, keys)),
      }
    }),
  }
}
