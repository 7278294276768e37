import type { Micros } from '../../src/flow.ts'

/**
 * Commands that are sent on together; `at` is when, 0 is not yet. `end`: how many bytes the frontend was fed
 * with, up to the last one that they share.
 */
export interface Batch {
  at: Micros
  end: number
}
