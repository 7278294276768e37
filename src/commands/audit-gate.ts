/** What frontend chunks wait for, as the guarantee, the detail and the outputs have it. */
import type { DumpLogConfig } from '../../config/load.ts'
import type { Encoder } from '../audit/encode.ts'
import { isWritten } from '../audit/filter.ts'
import { redact } from '../audit/redact.ts'
import { SinkError } from '../errors.ts'
import type { AuditEvent, Intents } from '../event.ts'
import type { LogGate } from '../flow.ts'
import { SYSTEM_CLOCK } from '../sinks/clock.ts'
import type { FileSink } from '../sinks/file.ts'
import { failure } from '../sinks/file-options.ts'
import { openJournal } from '../sinks/journal.ts'
import { OutputGate } from '../sinks/output-gate.ts'
import type { StreamSink } from '../sinks/stdout.ts'
import type { OutputReports } from './audit-alarm.ts'
import type { AuditPromise } from './promise.ts'

/** Where intents are kept, and the gate before the server. */
export interface AuditGate {
  readonly intents: Intents
  readonly gate: LogGate
  /** to be called when the outputs are closed */
  close(): void
}

export interface AuditGateOptions {
  readonly promise: AuditPromise
  readonly detail: DumpLogConfig['detail']
  /** prepared statements, or portals, that a session may have */
  readonly maxStatements: number
  /** the log's file, and its encoder */
  readonly file: { readonly sink: FileSink; readonly encoder: Encoder } | undefined
  readonly shown: StreamSink | undefined
  /** for what an output of that name has to tell */
  readonly reports: (output: string) => OutputReports
}

const mask = (event: AuditEvent): AuditEvent | undefined => (isWritten(event) ? redact(event) : undefined)

/** Undefined where nothing is to be waited for. Throws ConfigError where the journal cannot be made. */
export const openAuditGate = (options: AuditGateOptions): AuditGate | undefined => {
  const { promise, detail, file, shown, reports } = options
  const { guarantee, onFailure } = promise
  if (guarantee === 'observe') return undefined
  if (file !== undefined && detail === 'statement') {
    const { sink, encoder } = file
    const { onTrouble, onRecovered } = reports('journal')
    const told = { onTrouble, onRecovered: (): void => onRecovered(0) }
    const openStatements = options.maxStatements
    return openJournal({ log: sink, encoder, mask, guarantee, onFailure, openStatements, ...told })
  }
  if (file !== undefined) return lineGate(file.sink, promise, reports('file'))
  if (shown === undefined) return undefined
  return shownGate(shown, onFailure, reports('stdout'))
}

/** Nothing is lost while statements are held for its reader, so the output itself has nothing to tell. */
const shownGate = (
  shown: StreamSink,
  onFailure: AuditPromise['onFailure'],
  { onTrouble, onRecovered }: OutputReports,
): AuditGate =>
  gateOf({
    flush: () => undefined,
    isStuck: () => shown.isBehind,
    onFailure,
    onHeld: () =>
      onTrouble(new SinkError('write', 'statements wait for the reader of the standard output')),
    onReleased: () => onRecovered(0),
  })

/** tcpdp's lines are the whole record: what they tell of goes on when they are written. */
const lineGate = (
  sink: FileSink,
  { guarantee, onFailure }: AuditPromise,
  { onTrouble, onRecovered }: OutputReports,
): AuditGate => {
  let isTold = false
  sink.watch(() => {}, guarantee === 'synced')
  const flush = (): Promise<void> | undefined => {
    sink.flush()
    return guarantee === 'synced' ? sink.sync() : undefined
  }
  return gateOf({
    ...{ flush, isStuck: () => sink.isInTrouble, onFailure },
    // of what it cannot write the file tells itself
    onHeld: (why) => {
      isTold = why !== undefined
      if (why !== undefined) onTrouble(failure(sink.path, why))
    },
    onReleased: () => {
      if (isTold) onRecovered(0)
    },
  })
}

const gateOf = (options: Omit<ConstructorParameters<typeof OutputGate>[0], 'clock'>): AuditGate => {
  const gate = new OutputGate({ ...options, clock: SYSTEM_CLOCK })
  return { intents: gate, gate, close: () => gate.close() }
}
