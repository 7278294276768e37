/** Addresses as the command line and the configuration write them. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'

export interface TcpAddress {
  /** a name, an IPv4 or IPv6 address without brackets; empty: every interface */
  readonly host: string
  readonly port: number
}

export interface UnixAddress {
  readonly path: string
}

export type Address = TcpAddress | UnixAddress

/** What the kernel takes for a Unix socket's path, without its terminating NUL (`sun_path` of unix(7)). */
const MAX_PATH_BYTES = 107
const HOST = /^[\w.-]+(?:%[\w.-]+)?$/

const parsePath = (path: string): UnixAddress | string => {
  if (path === '') return 'the path is empty'
  const absolute = resolve(path)
  const bytes = Buffer.byteLength(absolute)
  return bytes > MAX_PATH_BYTES ? `a socket's path has at most ${MAX_PATH_BYTES} bytes` : { path: absolute }
}

const parseTcp = (text: string): TcpAddress | string => {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,6})$/.exec(text)
  if (match === null) {
    if (isIP(text) === 6) return `an IPv6 address stands in brackets: [${text}]:PORT`
    return /^[^:]+$/.test(text) ? 'the port is missing' : 'this is no address'
  }
  const [, v6, name = '', digits] = match
  const port = Number(digits)
  if (port > 65_535) return 'a port is at most 65535'
  if (v6 !== undefined) return isIP(v6) === 6 ? { host: v6, port } : 'this is no IPv6 address'
  if (name === '*') return { host: '', port }
  return name === '' || HOST.test(name) ? { host: name, port } : 'this is no host name'
}

/**
 * `host:port`, `[v6]:port`, `:port`, or a Unix socket's path: it holds a `/`, or begins with `unix:`.
 * Gives the address, its path made absolute, or in words what is wrong with the text.
 */
export const parseAddress = (text: string): Address | string => {
  if (text.startsWith('unix:')) return parsePath(text.slice('unix:'.length))
  return text.includes('/') ? parsePath(text) : parseTcp(text)
}

/** `host:port`, `[v6]:port`, `:port`, or the path. */
export const formatAddress = (address: Address): string => {
  if ('path' in address) return address.path
  return address.host.includes(':')
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`
}

/** As {@link parseAddress}, for a server to be dialled: it has a port; an empty host is this machine. */
export const parseRemoteAddress = (text: string): Address | string => {
  const address = parseAddress(text)
  if (typeof address === 'string' || 'path' in address) return address
  if (address.port === 0) return 'a server has no port 0'
  return address.host === '' ? { host: 'localhost', port: address.port } : address
}

/** Is it `10.0.0.0/8`, `fd00::/8`, or one address? */
export const isNetwork = (text: string): boolean => {
  const [ip = '', prefix, ...rest] = text.split('/')
  const version = isIP(ip)
  if (version === 0 || ip.includes('%') || rest.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
}
