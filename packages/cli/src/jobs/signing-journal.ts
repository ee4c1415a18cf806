import type { SigningJournal } from '@nacre/gateway'
import type { NonceRecord } from '../wallet/nonce-record.ts'

/** What is signed for jobs and accusations stands in the wallet's record like its payments; sent again, it says the same. @param what in words. */
export function signingJournal(record: NonceRecord, what: string, replace: boolean): SigningJournal {
  return {
    signing: async ({ nonce, id }) => {
      const signed = { nonce, id, what }
      record.check(signed, { replace, again: true })
      await record.add(signed)
    },
    answered: (id, isTaken) => record.mark(id, isTaken ? 'taken' : 'refused').catch(() => undefined),
  }
}
