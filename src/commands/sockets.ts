/**
 * Listening sockets that were opened by somebody else: Server::Starter's (SERVER_STARTER_PORT) and systemd's
 * (LISTEN_FDS, sd_listen_fds(3)).
 */
import { ConfigError } from '../errors.ts'

/** A socket that was handed over. Its address as far as its giver says it. */
export interface InheritedSocket {
  readonly fd: number
  readonly host?: string
  readonly port?: number
  readonly path?: string
  /** systemd's FileDescriptorName= */
  readonly name?: string
}

/** What a listener is looked up by. */
export interface WantedListener {
  readonly name: string
  readonly listen?: { readonly host: string; readonly port: number } | { readonly path: string }
}

const OPTION = 'proxy.useServerStarter'
const FIRST_FD = 3

const wrong = (message: string): ConfigError => new ConfigError('environment', OPTION, message)

/** `127.0.0.1:43401=4;43402=5;[::1]:43403=7;/path/u.sock=6` */
const starterSockets = (text: string): InheritedSocket[] =>
  text.split(';').map((entry) => {
    const equals = entry.lastIndexOf('=')
    const where = entry.slice(0, equals)
    const fd = entry.slice(equals + 1)
    if (equals < 1 || !/^\d+$/.test(fd)) throw wrong(`SERVER_STARTER_PORT: address=fd wanted, got ${entry}`)
    const tcp = /^(?:(?<host>.*):)?(?<port>\d+)$/.exec(where)
    if (!tcp) return { fd: Number(fd), path: where }
    const host = tcp.groups?.host?.replace(/^\[(.*)\]$/, '$1')
    return { fd: Number(fd), port: Number(tcp.groups?.port), ...(host && { host }) }
  })

const systemdSockets = (env: NodeJS.ProcessEnv, pid: number): InheritedSocket[] => {
  // Set for another process, and passed on by it: not ours.
  if (env.LISTEN_PID !== undefined && Number(env.LISTEN_PID) !== pid) return []
  const names = env.LISTEN_FDNAMES?.split(':') ?? []
  const count = Number(env.LISTEN_FDS)
  if (!Number.isInteger(count) || count < 1)
    throw wrong(`LISTEN_FDS: a count wanted, got ${env.LISTEN_FDS}`)
  return Array.from({ length: count }, (_, index) => {
    const name = names[index]
    return { fd: FIRST_FD + index, ...(name && { name }) }
  })
}

/** The sockets handed to this process. Throws ConfigError `environment` for none, and for nonsense. */
export const inheritedSockets = (env: NodeJS.ProcessEnv, pid: number): InheritedSocket[] => {
  const starter = env.SERVER_STARTER_PORT
  const sockets = starter
    ? starterSockets(starter)
    : env.LISTEN_FDS !== undefined
      ? systemdSockets(env, pid)
      : []
  if (sockets.length > 0) return sockets
  throw wrong('no sockets were handed over: start it by start_server or a systemd socket unit')
}

const ANYWHERE: readonly (string | undefined)[] = [undefined, '', '0.0.0.0', '::', '*']

const isMeant = (
  { host, port, path, name }: InheritedSocket,
  { name: own, listen }: WantedListener,
): boolean => {
  if (name !== undefined && name === own) return true
  if (listen === undefined) return false
  if ('path' in listen) return path === listen.path
  if (port !== listen.port) return false
  return host === listen.host || (ANYWHERE.includes(host) && ANYWHERE.includes(listen.host))
}

/**
 * Gives each listener its socket: by address or name where one fits, the others in order. Throws ConfigError
 * `environment` when there are too few.
 */
export const assignSockets = (
  sockets: readonly InheritedSocket[],
  listeners: readonly WantedListener[],
): { readonly assigned: readonly InheritedSocket[]; readonly left: readonly InheritedSocket[] } => {
  const free = new Set(sockets)
  const take = (socket: InheritedSocket | undefined): InheritedSocket | undefined => {
    if (socket) free.delete(socket)
    return socket
  }
  const fitting = listeners.map((listener) => take([...free].find((socket) => isMeant(socket, listener))))
  const assigned = fitting.map((socket, index) => {
    const given = socket ?? take([...free][0])
    if (given) return given
    const count = `${sockets.length} of ${listeners.length} sockets were handed over`
    throw wrong(`${count}: none is left for listener ${listeners[index]?.name}`)
  })
  return { assigned, left: [...free] }
}

/** The socket's address, as far as it is known. */
export const showSocket = ({ fd, host, port, path, name }: InheritedSocket): string => {
  if (path !== undefined) return path
  if (port === undefined) return name ?? `fd ${fd}`
  return host?.includes(':') ? `[${host}]:${port}` : `${host ?? ''}:${port}`
}
