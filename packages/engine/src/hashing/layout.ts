/** Where things lie in the memory of the hash kernel, which `scripts/wat-blake3.ts` generates for exactly these offsets. */

export const PAGE_BYTES = 65_536
/** The memory has a fixed size. */
export const HASH_PAGES = 2

/** 16 bytes of ones, then 16 zeros: cuts the tail of a message. */
export const MASK_OFFSET = 0
/** 32 bytes. */
export const KEY_OFFSET = 32
/** Eight vectors: word i of four chaining values. */
export const CHAIN_OFFSET = 64
/** Sixteen vectors: word i of four message blocks. */
export const BLOCK_OFFSET = 192
export const INPUT_OFFSET = 1024
/** Messages of one call. A power of two of chunks, so that a full input is a whole subtree. */
export const INPUT_BYTES = 65_536
/** The kernel loads whole blocks and masks: it may read this far beyond the last message. */
const OVERREAD_BYTES = 64
export const OUTPUT_OFFSET: number = INPUT_OFFSET + INPUT_BYTES + OVERREAD_BYTES
/** Digests of one call: as many as 64-byte messages fit. */
export const OUTPUT_BYTES = 32_768

/** BLAKE3's constants (its specification, section 2). */
export const BLOCK_BYTES = 64
export const CHUNK_BYTES = 1024
export const FLAGS = { chunkStart: 1, chunkEnd: 2, parent: 4, root: 8, keyed: 16 } as const
