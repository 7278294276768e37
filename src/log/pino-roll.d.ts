/** What is used of pino-roll 4, which has no types of its own. */
declare module 'pino-roll' {
  import type { EventEmitter } from 'node:events'

  export interface RollOptions {
    readonly file: string
    readonly frequency: 'daily' | 'hourly' | number
    readonly dateFormat: string
    readonly limit?: { readonly count: number; readonly removeOtherLogFiles: boolean }
    readonly sync: boolean
    readonly mkdir: boolean
    readonly mode: number
    readonly maxLength: number
  }

  /** A SonicBoom that opens another file from time to time. */
  export interface RollingStream extends EventEmitter {
    /** the file that is being written */
    readonly file: string
    write(text: string): boolean
    reopen(): void
    /** closes it once what waits is written; on a failure that stays undone */
    end(): void
    destroy(): void
  }

  const roll: (options: RollOptions) => Promise<RollingStream>
  export default roll
}
