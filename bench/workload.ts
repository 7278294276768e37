/** What bench/proxy.ts asks of a dialect: a server, point queries by a known tool, bulk by a raw client. */
import type { Target } from './paths.ts'
import type { Work } from './rounds.ts'

export interface Sizes {
  /** of a run of point queries */
  readonly seconds: number
  readonly wideRows: number
  readonly narrowRows: number
}

/** Bytes of one wide row's value. */
export const WIDE_BYTES = 1000

export interface Workload {
  /** the server, as the paths need it */
  readonly target: Target
  /** in front of the titles of its sections */
  readonly title: string
  /** the command of the point queries, for the reader */
  readonly tool: string
  readonly modes: readonly string[]
  points(port: number, mode: string, clients: number): Promise<Work>
  prepareBulk(): Promise<void>
  /** each is a kind of transfer through that port; it gives the bytes that went through */
  readonly bulk: Readonly<Record<string, (port: number) => Promise<Work>>>
  stop(): Promise<void>
}

/** Seconds and bytes of a transfer that `work` does on a client. */
export const timed = async <Client extends { close(): void }>(
  client: Client,
  work: (client: Client) => Promise<number>,
): Promise<Work> => {
  const started = performance.now()
  const amount = await work(client)
  const took = (performance.now() - started) / 1000
  client.close()
  return { amount, took }
}
