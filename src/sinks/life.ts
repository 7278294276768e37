/** What a log file's writer says of its own life. */
import type { AuditLife } from '../event.ts'
import type { RotateReason } from './file-options.ts'
import type { OpenFile } from './rotate.ts'

/** The writer went on in the file `next`, having written so many records to `old`. */
export const rotated = (
  reason: RotateReason,
  old: OpenFile,
  next: OpenFile,
  records: number,
  nowMs: number,
): AuditLife => {
  const fields = { rotate_reason: reason, prev_file: old.name, prev_bytes: old.size, prev_records: records }
  return { event: 'audit.rotate', at: nowMs * 1000, fields: { ...fields, file: next.name } }
}

/** A file was deleted; `more` is what it held. */
export const deleted = (
  file: string,
  bytes: number,
  reason: string,
  more: AuditLife['fields'],
  nowMs: number,
): AuditLife => ({
  event: 'audit.delete',
  at: nowMs * 1000,
  fields: { file, bytes, delete_reason: reason, ...more },
})
