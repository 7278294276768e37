import type { Micros } from '../../src/flow.ts'

/** Commands that are sent on together; `at` is when, 0 is not yet. */
export interface Batch {
  at: Micros
}
