/** From options to listeners: what `[proxy]` and the `[[listener]]` blocks come to. */
import { type Address, formatAddress, parseAddress, parseRemoteAddress } from './address.ts'
import type { ValuesOf } from './option.ts'
import type { Problem } from './problems.ts'
import type { LISTENER, Sections, TlsConfig } from './schema.ts'

/** One listener, complete. Durations are milliseconds. */
export interface ListenerConfig extends ValuesOf<typeof LISTENER> {
  /** absent where inherited sockets are told in order only */
  readonly listen?: Address
  readonly remote: Address
  readonly tls: TlsConfig
}

/** A `[[listener]]` block as the file has it, checked. */
export type ListenerBlock = Partial<ValuesOf<typeof LISTENER>> & {
  readonly tls?: Partial<TlsConfig> | undefined
}

/** What a listener is made from, and how to speak of it. */
export interface ListenerSources {
  readonly sections: Sections
  readonly blocks: readonly ListenerBlock[]
  /** the beginning of a message about a key of that block, or of `[proxy]` */
  readonly place: (block: number | undefined, key: string) => string
  /** a remote and a listening address must be told */
  readonly isNeeded: boolean
}

/** Usual ports and socket names of the servers that have a dumper. */
const USUAL: readonly { readonly dumper: string; readonly port: number; readonly path: RegExp }[] = [
  { dumper: 'pg', port: 5432, path: /\/\.s\.PGSQL\.\d+$/ },
  { dumper: 'mysql', port: 3306, path: /\/mysqld?\.sock$/ },
]

/** The dumper that a server's usual address stands for. */
export const usualDumper = (remote: Address): string | undefined =>
  USUAL.find((usual) => ('path' in remote ? usual.path.test(remote.path) : usual.port === remote.port))
    ?.dumper

const addressOf = (parsed: Address | string): Address | undefined =>
  typeof parsed === 'string' ? undefined : parsed

const defined = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>

const merged = (sections: Sections, block: ListenerBlock | undefined): Omit<ListenerConfig, 'remote'> => {
  const { useServerStarter: _, drainTimeout: __, ...proxy } = sections.proxy
  const { dumper, proxyProtocol } = sections.querytap
  const { tls, ...own } = defined(block ?? {})
  return {
    name: '',
    ...proxy,
    dumper,
    proxyProtocol,
    ...own,
    tls: { ...sections['proxy.tls'], ...defined(tls ?? {}) },
  }
}

const MISSING = {
  remoteAddr: "the server's address is wanted: -r HOST:PORT, or remoteAddr in the configuration",
  listenAddr: 'an address to listen on is wanted: -l HOST:PORT, or listenAddr in the configuration (or -s)',
  dumper: 'the dialect is wanted: -d pg, -d mysql, -d hex or -d conn, or dumper in the configuration',
}

class ListenerMaker {
  readonly problems: Problem[] = []
  readonly #sources: ListenerSources

  constructor(sources: ListenerSources) {
    this.#sources = sources
  }

  #complain(block: number | undefined, key: string, words: string): undefined {
    const { place } = this.#sources
    this.problems.push({ code: 'usage', option: key, text: `${place(block, key)}${words}` })
  }

  make(block: ListenerBlock | undefined, index: number | undefined): ListenerConfig | undefined {
    const { sections, blocks, isNeeded } = this.#sources
    const values = merged(sections, block)
    const remote = addressOf(parseRemoteAddress(values.remoteAddr))
    const listen = addressOf(parseAddress(values.listenAddr))
    const isBlock = index !== undefined
    if (remote === undefined) {
      return isNeeded || isBlock ? this.#complain(index, 'remoteAddr', MISSING.remoteAddr) : undefined
    }
    if (listen === undefined && !sections.proxy.useServerStarter) {
      return isNeeded || isBlock ? this.#complain(index, 'listenAddr', MISSING.listenAddr) : undefined
    }
    const dumper = values.dumper || usualDumper(remote)
    if (dumper === undefined) {
      const why = `${formatAddress(remote)} is no usual address of PostgreSQL or MySQL`
      return this.#complain(index, 'dumper', `${MISSING.dumper}; ${why}`)
    }
    const unnamed = blocks.length > 1 ? values.listenAddr || `listener-${(index ?? 0) + 1}` : 'default'
    const found = { ...values, dumper, name: values.name || unnamed, remote }
    return listen === undefined ? found : { ...found, listen }
  }

  /** Names and addresses are taken once only. */
  checkTwins(listeners: readonly (ListenerConfig | undefined)[]): void {
    const seen = new Map<string, number>()
    const claim = (index: number, key: string, value: string): void => {
      const twin = seen.get(`${key} ${value}`)
      if (twin === undefined) seen.set(`${key} ${value}`, index)
      else this.#complain(index, key, `"${value}" is that of listener ${twin + 1} already`)
    }
    listeners.forEach((listener, index) => {
      if (listener === undefined) return
      claim(index, 'name', listener.name)
      const { listen } = listener
      const isAnyPort = listen === undefined || ('port' in listen && listen.port === 0)
      if (!isAnyPort) claim(index, 'listenAddr', formatAddress(listen))
    })
  }
}

/** The listeners, complete; what is missing or told twice goes to `problems`. */
export const resolveListeners = (sources: ListenerSources, problems: Problem[]): ListenerConfig[] => {
  const maker = new ListenerMaker(sources)
  const { blocks } = sources
  const listeners =
    blocks.length === 0
      ? [maker.make(undefined, undefined)]
      : blocks.map((block, index) => maker.make(block, index))
  if (blocks.length > 0) maker.checkTwins(listeners)
  problems.push(...maker.problems)
  return listeners.filter((listener) => listener !== undefined)
}
