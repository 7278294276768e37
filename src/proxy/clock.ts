/** Time, as the proxy is given it: tests give their own. */
import { performance } from 'node:perf_hooks'
import type { Micros } from '../flow.ts'

export interface Clock {
  /** wall clock, for records */
  now(): Micros
  /** milliseconds that never step, for deadlines; only differences mean something */
  steady(): number
}

/** What runs again and again; the answer stops it. */
export interface Timers {
  every(milliseconds: number, callback: () => void): () => void
}

/** A wall clock that is off by more than this was set by somebody (Date.now() itself is exact to 1 ms). */
const STEP_MS = 3
const CHECK_EVERY_MS = 500

/**
 * Microseconds by the monotonic clock, tied to the wall clock: two calls in a row never go backwards, and
 * when the wall clock is set, the answers follow it within half a second.
 */
export const systemClock = (
  steady: () => number = () => performance.now(),
  wall: () => number = Date.now,
  origin: number = performance.timeOrigin,
): Clock => {
  let offset = origin
  let checkAt = 0
  return {
    now() {
      const at = steady()
      if (at >= checkAt) {
        checkAt = at + CHECK_EVERY_MS
        const told = wall()
        if (Math.abs(told - (offset + at)) > STEP_MS) offset = told - at
      }
      return Math.round((offset + at) * 1000)
    },
    steady,
  }
}

export const systemTimers: Timers = {
  every(milliseconds, callback) {
    const timer = setInterval(callback, milliseconds)
    timer.unref()
    return () => clearInterval(timer)
  },
}
