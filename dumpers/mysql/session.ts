/** The MySQL session: bytes of two directions in, events out. */
import { type AuditEvent, NO_EVENTS } from '../../src/event.ts'
import type { Session } from '../../src/session.ts'

export class MysqlSession implements Session {
  feed(): readonly AuditEvent[] {
    return NO_EVENTS
  }

  gap(): readonly AuditEvent[] {
    return NO_EVENTS
  }

  close(): readonly AuditEvent[] {
    return NO_EVENTS
  }
}
