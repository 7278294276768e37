/** Hooks: programs of the user's, run without a shell. */
import { spawn } from 'node:child_process'

export interface HookOptions {
  readonly program: string
  /** 0 is without end */
  readonly timeoutMs: number
  /** kills the hook */
  readonly signal: AbortSignal
}

/**
 * Runs the program with the arguments as $1, $2 and so on, and resolves when it has succeeded.
 * Rejects when it cannot be started, ends otherwise than with 0, or takes too long; its whole process group
 * is killed then. Its output goes nowhere: whatever it says is not the log's.
 */
export const runHook = (options: HookOptions, ...args: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const { program, timeoutMs, signal } = options
    // A group of its own, so that what the hook started is killed with it.
    const child = spawn(program, args, { stdio: 'ignore', detached: true })
    let killed = ''
    const kill = (why: string): void => {
      killed = why
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        child.kill('SIGKILL')
      }
    }
    const overdue = (): void => kill(`took longer than ${timeoutMs} ms`)
    const timer = timeoutMs > 0 ? setTimeout(overdue, timeoutMs) : undefined
    const stop = (): void => kill('was stopped')
    signal.addEventListener('abort', stop, { once: true })
    const settle = (problem: Error | undefined): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      if (problem === undefined) resolve()
      else reject(problem)
    }
    child.once('error', settle)
    child.once('exit', (code, by) => {
      if (code === 0) settle(undefined)
      else
        settle(
          new Error(
            `hook ${program} ${killed || (code === null ? `ended by ${by}` : `exited with ${code}`)}`,
          ),
        )
    })
    if (signal.aborted) stop()
  })
