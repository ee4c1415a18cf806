import { BlockList, isIPv6 } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { MAX_ADDRESS_CHARS, MAX_EXCHANGED_ADDRESSES } from '../limits.ts'
import type { PeerName } from '../ports/network.ts'

/** A multiaddr we can dial, `/ip4/…/tcp/…/p2p/…`, and the peer it leads to. */
export interface PeerAddress {
  readonly peer: PeerName
  readonly address: string
}

const HOST_KINDS: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

/** Addresses that lead nowhere from another host: this host, the local link, multicast, reserved. */
const UNROUTABLE = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
] as const) {
  UNROUTABLE.addSubnet(net, prefix, 'ipv4')
}
for (const [net, prefix] of [
  ['::', 128],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  UNROUTABLE.addSubnet(net, prefix, 'ipv6')
}
const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/**
 * Parses an address that someone else sent.
 *
 * @param loopback whether addresses of this very host are of use: only when all peers share it. Otherwise dialling
 *   them would let a stranger point us at services of our own machine.
 * @returns undefined unless it is host, TCP port and peer id, nothing else, and leads somewhere.
 */
export function parsePeerAddress(text: string, loopback: boolean): PeerAddress | undefined {
  if (text.length > MAX_ADDRESS_CHARS) return undefined
  try {
    const [host, transport, id, ...rest] = multiaddr(text).getComponents()
    if (host === undefined || transport === undefined || id === undefined || rest.length > 0) return undefined
    if (!HOST_KINDS.has(host.name) || transport.name !== 'tcp' || id.name !== 'p2p') return undefined
    if (host.value === undefined || id.value === undefined || !(Number(transport.value) > 0)) return undefined
    if (!isUsableHost(host.name, host.value, loopback)) return undefined
    return { peer: id.value, address: `/${host.name}/${host.value}/tcp/${transport.value}/p2p/${id.value}` }
  } catch {
    return undefined
  }
}

function isUsableHost(kind: string, value: string, loopback: boolean): boolean {
  if (kind.startsWith('dns')) return loopback || !/(^|\.)localhost\.?$/i.test(value)
  const family = isIPv6(value) ? 'ipv6' : 'ipv4'
  return !UNROUTABLE.check(value, family) && (loopback || !LOOPBACK.check(value, family))
}

/** One address per line: the answer of the peer-exchange protocol. */
export function encodeAddresses(addresses: readonly string[]): Uint8Array {
  return new TextEncoder().encode(addresses.slice(0, MAX_EXCHANGED_ADDRESSES).join('\n'))
}

/** @returns the usable addresses of an answer; never throws, whatever the bytes. */
export function decodeAddresses(bytes: Uint8Array, loopback: boolean): PeerAddress[] {
  const lines = new TextDecoder().decode(bytes).split('\n', MAX_EXCHANGED_ADDRESSES)
  return lines.flatMap((line) => parsePeerAddress(line, loopback) ?? [])
}
