/** The event that tells of bytes which are not decoded. */
import type { Gap, GapReason, Who } from '../../src/event.ts'
import type { Direction, Micros } from '../../src/flow.ts'

/** What is told of a gap beside its reason. */
export interface GapFacts {
  readonly gap_bytes?: number
  readonly detail?: string
}

/** A gap of one direction, or of both when `from` is not given. */
export const gapEvent = (
  at: Micros,
  who: Who,
  reason: GapReason,
  from: Direction | undefined,
  facts: GapFacts = {},
): Gap => {
  const direction = from === undefined ? {} : ({ direction: from === 'frontend' ? '->' : '<-' } as const)
  return { event: 'gap', at, who, gap_reason: reason, ...direction, ...facts }
}
