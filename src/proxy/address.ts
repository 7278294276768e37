/** Socket addresses, as records and options have them. */
import type { Socket } from 'node:net'

/** Where to connect to. */
export type Remote = { readonly host: string; readonly port: number } | { readonly path: string }

/** Where to listen: an address, a Unix socket's path, or a socket that was inherited as `fd`. */
export type ListenAddress =
  | { readonly host?: string | undefined; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number; readonly name: string }

const MAPPED = '::ffff:'

/** An IPv4 address that came in on an IPv6 socket is an IPv4 address. */
export const plainHost = (host: string): string =>
  host.startsWith(MAPPED) && host.includes('.') ? host.slice(MAPPED.length) : host

/** `host:port` or `[v6]:port` */
export const hostPort = (host: string, port: number): string => {
  const plain = plainHost(host)
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`
}

/** An address as its user would write it. */
export const showAddress = (address: Remote | ListenAddress): string => {
  if ('path' in address) return address.path
  if ('fd' in address) return address.name
  return hostPort(address.host ?? '', address.port)
}

/** The far end of a connected TCP socket; undefined for a Unix socket. */
export const peerOf = (socket: Socket): string | undefined =>
  socket.remoteAddress === undefined ? undefined : hostPort(socket.remoteAddress, socket.remotePort ?? 0)

/** Our own end of a connected TCP socket; undefined for a Unix socket. */
export const localOf = (socket: Socket): string | undefined =>
  socket.localAddress === undefined ? undefined : hostPort(socket.localAddress, socket.localPort ?? 0)

/** Who connected there; undefined for a TCP client that had left before it could be asked. */
export const clientOf = (client: Socket, listening: ListenAddress): string | undefined => {
  const peer = peerOf(client)
  if (peer !== undefined || 'port' in listening || localOf(client) !== undefined) return peer
  return `unix:${showAddress(listening)}`
}
