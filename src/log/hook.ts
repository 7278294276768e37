/** The program that is run after a rotation. */
import { execFile } from 'node:child_process'

export interface HookOptions {
  /** the program's path; it is run without a shell */
  readonly hook: string
  /** 0 is without end */
  readonly timeoutMs: number
  /** told of a hook that failed, in words */
  readonly onFailure: (reason: string) => void
}

/**
 * Gives a function that runs the hook with the previous and the current file, one run after the other. It
 * never throws: the hook's failure is told and hurts nothing.
 */
export const createHook = (
  options: HookOptions,
): ((previous: string, current: string) => Promise<void>) => {
  const { hook, timeoutMs, onFailure } = options
  const run = (previous: string, current: string): Promise<void> =>
    new Promise((resolve) => {
      const settings = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const
      execFile(hook, [previous, current], settings, (error) => {
        if (error) onFailure(error.killed ? `it took longer than ${timeoutMs} ms` : reasonOf(error))
        resolve()
      })
    })
  let last = Promise.resolve()
  return (previous, current) => {
    last = last.then(() => run(previous, current))
    return last
  }
}

const reasonOf = (error: Error & { readonly code?: string | number | null }): string =>
  typeof error.code === 'number' ? `it ended with code ${error.code}` : String(error.code ?? error.message)
