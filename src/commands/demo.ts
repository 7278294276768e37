/** `querytap demo`: an embedded PostgreSQL, the proxy before it, a small workload, and the audit of it, live. */
import { ConfigError } from '../errors.ts'

export interface DemoOptions {
  /** end after the workload */
  readonly once: boolean
  /** a server of the user's own instead of the embedded one: `host:port` */
  readonly remote?: string
}

/** Runs the demonstration until it is interrupted. Resolves with the exit code. */
export const runDemo = async (_options: DemoOptions): Promise<number> => {
  throw new ConfigError('usage', 'demo', 'demo: not built yet')
}
