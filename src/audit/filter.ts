/** Which events are written. */
import type { AuditEvent } from '../event.ts'

/**
 * Says of an event whether it becomes a record. For now all do but intents, which belong to the journal and
 * are no records of their own.
 */
export const isWritten = (event: AuditEvent): boolean =>
  event.event !== 'intent' && event.event !== 'intent.over'
