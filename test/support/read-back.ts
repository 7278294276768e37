/** Records of a proxy and of `querytap read`, so that they can be compared. */
import type { AuditRecord } from './records.ts'

/**
 * Keys that a capture cannot have as a proxy has them: times, addresses, numbers of the log, the bytes of
 * sessions in which the proxy itself answered a request for TLS, and which of two ends that closed at the same
 * time came first.
 */
const OWN_KEYS = new RegExp(
  '^(ts|log_seq|conn_id|listener|interface|(src|dst|client|remote|probe_target)_addr|proxy_.*|' +
    'bytes_in|bytes_out|end_by|end_reason|end_detail)$',
)
const TIMES = /_us$/

const withoutOwn = (record: AuditRecord): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !OWN_KEYS.test(key) && !TIMES.test(key)))

/** The records of each connection, by its client. */
export const byClient = (records: readonly AuditRecord[]): Map<string, Record<string, unknown>[]> => {
  const found = new Map<string, Record<string, unknown>[]>()
  for (const record of records) {
    const client = String(record.client_addr ?? record.src_addr)
    if (record.event.startsWith('audit.')) continue
    const list = found.get(client) ?? []
    if (list.length === 0) found.set(client, list)
    list.push(withoutOwn(record))
  }
  return found
}

/** Lines of JSON. */
export const parseLines = (lines: string): AuditRecord[] =>
  lines
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as AuditRecord)
