/** Records of statements in the other format, for a log whose format was changed. */
import { type Format, JSON_FORMAT, LTSV_FORMAT } from './format.ts'
import { readFields } from './log-line.ts'

/** Which values are no text: in LTSV all look alike. */
const PLAIN: ReadonlySet<string> = new Set([
  ...['log_seq', 'schema_version', 'backend_pid', 'is_superuser', 'stmt_seq', 'prepare_seq', 'stmt_id'],
  ...['query_len', 'query_truncated', 'execute_query_len', 'execute_query_truncated', 'function_oid'],
  ...['bind_values', 'bind_types', 'bind_value_lens', 'bind_value_sha256s', 'command_tags', 'results'],
  ...['malformed', 'after_gap', 'recovered', 'txn_seq', 'gate_wait_us', 'duration_us', 'fetches'],
  ...['rows_returned', 'rows_affected', 'bytes_returned', 'copy_rows', 'copy_bytes', 'warnings'],
  ...['first_response_us'],
])

const spelt = (format: Format, key: string, value: unknown): string => {
  if (typeof value === 'object') return format.list(JSON.stringify(value))
  if (typeof value !== 'string') return String(value)
  return format === JSON_FORMAT && PLAIN.has(key) ? value : format.text(value)
}

/** A `statement` record, without its line feed, in that format; the same one where it is so already. */
export const recodeRecord = (record: Buffer, format: 'json' | 'ltsv'): Buffer => {
  const isJson = record[0] === 0x7b
  if (isJson === (format === 'json')) return record
  const to = isJson ? LTSV_FORMAT : JSON_FORMAT
  const fields = Object.entries(readFields(record.toString('utf8')) ?? {}).map(
    ([key, value], index) => (index === 0 ? to.firstKey(key) : to.key(key)) + spelt(to, key, value),
  )
  return Buffer.from(to.open + fields.join('') + to.close)
}
