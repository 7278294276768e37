/**
 * The four error classes. Branch on `code`, never on the text. Messages say what, wanted, got, where,
 * and never carry bytes of the traffic: errors are not redacted.
 */

/** Bytes on the wire that break the protocol. `offset` counts from the start of the body that was read. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: 'short' | 'overlong' | 'invalid' | 'unsupported'
  readonly offset: number

  constructor(code: ProtocolError['code'], message: string, offset: number) {
    super(message)
    this.code = code
    this.offset = offset
  }
}

/**
 * A wrong option, file, or argument: exit code 2. `environment` is for what the machine refuses: exit
 * code 1.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code: 'usage' | 'unknown-key' | 'invalid-value' | 'syntax' | 'environment'
  /** the option as its user wrote it: `dumpLog.rotationTime`, `--listen`, `QUERYTAP_PROXY_LISTENADDR` */
  readonly option: string

  constructor(code: ConfigError['code'], option: string, message: string) {
    super(message)
    this.code = code
    this.option = option
  }
}

/** A damaged capture. `record` is the number of the pcap record, from 1. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError'
  readonly code: 'truncated' | 'invalid' | 'unsupported'
  readonly record: number

  constructor(code: CaptureError['code'], message: string, record: number) {
    super(message)
    this.code = code
    this.record = record
  }
}

/**
 * The log could not be written; `journal`: what a killed process left cannot be read. `cause` is the
 * system's own error.
 */
export class SinkError extends Error {
  override readonly name = 'SinkError'
  readonly code: 'open' | 'write' | 'rotate' | 'full' | 'hook' | 'journal'

  constructor(code: SinkError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** Marks a switch as complete: a value that the types say cannot exist has turned up. */
export const never = (value: never): never => {
  throw new TypeError(`unexpected variant: ${JSON.stringify(value)}`)
}
