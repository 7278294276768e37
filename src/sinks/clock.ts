/** Wall clock and timers, so that tests can give their own. */

export interface Clock {
  nowMs(): number
  /** calls back once; answers what cancels it */
  after(ms: number, callback: () => void): () => void
}

/** The real ones. Its timers do not keep the process alive. */
export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
