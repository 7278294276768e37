/**
 * The kernel's filter for targets: what is captured is little more than their connections.
 * {@link https://www.tcpdump.org/manpages/pcap-filter.7.html}
 *
 * `tcp port 5432` alone misses packets that the kernel cannot see a port in: later fragments, IPv6 with
 * extension headers, frames with a VLAN tag. They are let through, and told apart here.
 */
import type { CaptureTarget } from './targets.ts'

const anyOf = (terms: readonly string[]): string =>
  terms.length === 1 ? (terms[0] as string) : `(${terms.join(' or ')})`

const hostsOf = ({ addresses }: CaptureTarget): string | undefined =>
  addresses === undefined || addresses.length === 0
    ? undefined
    : anyOf(addresses.map((address) => `host ${address.replace(/%.*$/, '')}`))

const allOf = (terms: readonly (string | undefined)[]): string =>
  terms.filter((term) => term !== undefined).join(' and ')

/**
 * IPv4's fragments but the first; IPv6 whose next header is hop-by-hop, routing, fragment or destination.
 */
const HIDDEN = [
  'ip[6:2] & 0x1fff != 0 and ip proto 6',
  ...[0, 43, 44, 60].map((next) => `ip6[6] = ${next}`),
]

const unique = (terms: readonly string[]): readonly string[] => [...new Set(terms)]

/**
 * An expression for pcap_compile. `vlan`: also frames with one or two VLAN tags, for links that can have
 * them; pcap refuses that word on others.
 */
export const filterOf = (targets: readonly CaptureTarget[], vlan: boolean): string => {
  const plain = targets.map((target) => {
    const port = target.port === undefined ? 'tcp' : `tcp port ${target.port}`
    return `(${allOf([port, hostsOf(target)])})`
  })
  const hidden = targets.map(
    (target) => `(${allOf([anyOf(HIDDEN.map((term) => `(${term})`)), hostsOf(target)])})`,
  )
  const wanted = unique([...plain, ...hidden]).join(' or ')
  // behind the word vlan the offsets are those of what the tag hides
  return vlan ? `${wanted} or (vlan and (${wanted} or (vlan and (${wanted}))))` : wanted
}
