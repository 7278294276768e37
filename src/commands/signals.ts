/** What the system tells the proxy to do. */

/** `drain`: sessions may go on to their end; `now`: they may not */
export type Stop = 'drain' | 'now'

export interface Signals {
  /** the first word to stop, and the signal that said it */
  readonly stop: Promise<{ readonly how: Stop; readonly signal: NodeJS.Signals }>
  /** SIGINT, or any signal after the first one */
  readonly now: Promise<void>
  /** the process's signals are its own again */
  off(): void
}

const DRAINING: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGQUIT']
const STOPPING: readonly NodeJS.Signals[] = [...DRAINING, 'SIGINT']

/** Where signals come from: the process, or a test. */
export type SignalSource = Pick<NodeJS.Process, 'on' | 'off'>

/** Listens to SIGTERM, SIGQUIT (drain), SIGINT (stop now) and SIGHUP (reopen the logs). */
export const watchSignals = (reopen: () => void, source: SignalSource = process): Signals => {
  let tellStop: (stop: { how: Stop; signal: NodeJS.Signals }) => void = () => {}
  let tellNow: () => void = () => {}
  const stop = new Promise<{ how: Stop; signal: NodeJS.Signals }>((resolve) => {
    tellStop = resolve
  })
  const now = new Promise<void>((resolve) => {
    tellNow = resolve
  })
  let isStopping = false
  const stopping = (signal: NodeJS.Signals): void => {
    const how = DRAINING.includes(signal) && !isStopping ? 'drain' : 'now'
    isStopping = true
    tellStop({ how, signal })
    if (how === 'now') tellNow()
  }
  for (const signal of STOPPING) source.on(signal, stopping)
  source.on('SIGHUP', reopen)
  return {
    stop,
    now,
    off() {
      for (const signal of STOPPING) source.off(signal, stopping)
      source.off('SIGHUP', reopen)
    },
  }
}
