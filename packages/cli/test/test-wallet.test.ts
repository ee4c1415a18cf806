/** Wallets of test coins: made once for a chain, and never where coins are worth something. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { overrideParams, presets } from '@nacre/protocol'
import { afterAll, expect, test } from 'vitest'
import { decryptKeys, readKeyFile } from '../src/wallet/key-file.ts'
import { passphraseOf } from '../src/wallet/secrets.ts'
import { testWalletIn } from '../src/wallet/test-wallet.ts'

const dir = mkdtempSync(join(tmpdir(), 'nacre-test-wallet-'))
afterAll(() => rmSync(dir, { recursive: true }))

test('is made once for each chain, opens with what lies beside it, and only its owner reads that', async () => {
  const first = await testWalletIn(join(dir, 'a'), presets.unit)
  expect(await testWalletIn(join(dir, 'a'), presets.unit)).toEqual(first)
  const other = await testWalletIn(join(dir, 'a'), overrideParams(presets.unit, ['fees.burnPpm=1']))
  expect(other.address).not.toBe(first.address)
  const { path, passphrasePath } = first
  expect(statSync(passphrasePath).mode & 0o777).toBe(0o600)
  const file = await readKeyFile(path, () => undefined)
  const passphrase = await passphraseOf({ file: passphrasePath, environment: false, path })
  expect((await decryptKeys(file, passphrase, path)).publicKey).toEqual(file.publicKey)
})

test('is refused on a network without a faucet', async () => {
  await expect(testWalletIn(join(dir, 'b'), presets.nacre)).rejects.toMatchObject({ code: 'NO_FAUCET' })
})
