/** What is wrong with the audit, told in the operational log and to `alertHook`. */
import type { DumpLogConfig } from '../../config/load.ts'
import { renderSize } from '../../config/units.ts'
import type { SinkError } from '../errors.ts'
import type { FlowFacts, Gap, Sink } from '../event.ts'
import type { Log } from '../log.ts'
import { Alerts } from '../sinks/alert.ts'
import { SpaceWatch } from '../sinks/space.ts'

export interface OutputReports {
  readonly onTrouble: (error: SinkError) => void
  readonly onRecovered: (lost: number) => void
  /** a killed process had kept statements: so many of them were missing in the log, so many were not */
  readonly onIntents?: (recovered: number, known: number) => void
  /** a killed process had written a line in part: so many bytes of it are cut off that file */
  readonly onCut?: (file: string, bytes: number) => void
}

export interface AuditAlarm {
  /** The outputs are open: begins to watch the space left, where that is wanted. */
  begin(): void
  /** What an output of that name reports of itself. */
  readonly reports: (output: string) => OutputReports
  /** The sink; its records of traffic that was not decoded raise an alarm. */
  watched(sink: Sink): Sink
  /** Resolves when the hook was told of everything, or after a while. */
  close(): Promise<void>
}

type Options = Pick<DumpLogConfig, 'alertHook' | 'hookTimeout' | 'spaceLeft' | 'dir' | 'enable'>

/** Milliseconds of a clock that nobody sets. */
type Now = () => number

const alertsOf = ({ alertHook, hookTimeout }: Options, log: Log): Alerts | undefined =>
  alertHook === ''
    ? undefined
    : new Alerts({
        program: alertHook,
        timeoutMs: hookTimeout,
        onProblem: (error) => log.error({ err: error }, 'alert hook failed'),
      })

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

const spaceOf = (options: Options, log: Log, alerts: Alerts | undefined): SpaceWatch | undefined => {
  const { dir, enable, spaceLeft } = options
  if (!enable || spaceLeft === 0) return undefined
  const limit = renderSize(spaceLeft)
  return new SpaceWatch({
    dir,
    least: spaceLeft,
    onChange: (isLittle, free) => {
      const fields = { dir, free_bytes: free }
      if (isLittle) log.warn(fields, 'little space is left for the audit log')
      else log.info(fields, 'enough space is left for the audit log again')
      const what = isLittle ? `less than ${limit} is` : `more than ${limit} is again`
      alerts?.tell('space', `${what} left for the audit log in ${dir}: ${mebibytes(free)}`)
    },
    onProblem: (error) =>
      log.warn({ err: error, dir }, 'how much space is left for the audit log cannot be told'),
  })
}

interface Logs {
  readonly quiet: Log
  readonly each: Log
}

const isTroubled = ({ code }: SinkError): boolean => code === 'open' || code === 'write'

const isLoss = ({ code }: SinkError): boolean => code === 'full' || code === 'journal'

/** What the operational log says of each; the error's own words tell the rest. */
const TROUBLES: Readonly<Record<SinkError['code'], string>> = {
  open: 'the audit log cannot be written',
  write: 'the audit log cannot be written',
  full: 'records of the audit are lost',
  rotate: 'trouble with the files of the audit log',
  hook: 'the checkpoint hook failed',
  journal: 'statements that a killed process had kept cannot be recovered',
}

const loss = (output: string, lost: number): string => `${lost} records were lost (${output})`

/**
 * One output's troubles: when it cannot be written, when records are dropped, and the end of both. That it
 * cannot be written is told each time, so that the last word is true; other troubles may be held back.
 */
const reportsOf = (output: string, logs: Logs, alerts: Alerts | undefined, now: Now): OutputReports => {
  let since: number | undefined
  return {
    onTrouble: (error) => {
      const log = isTroubled(error) ? logs.each : logs.quiet
      log.error({ err: error, output }, TROUBLES[error.code])
      if (isLoss(error)) alerts?.tell('loss', error.message)
      if (!isTroubled(error)) return
      since ??= now()
      alerts?.tell('block', `the audit log cannot be written (${output}): ${error.message}`)
    },
    onRecovered: (lost) => {
      const log = since === undefined ? logs.quiet : logs.each
      log.warn({ output, lost }, 'the audit log is written again')
      if (lost > 0) alerts?.tell('loss', loss(output, lost))
      if (since === undefined) return
      const seconds = Math.round((now() - since) / 1000)
      since = undefined
      alerts?.tell('block', `over after ${seconds} s: the audit log is written again (${output})`)
    },
  }
}

/** A capture that begins amid sessions is as it should be. */
const isAlarming = (flow: FlowFacts | undefined, { gap_reason }: Gap): boolean =>
  gap_reason !== 'mid-stream' || flow?.src_addr === undefined

const describeGap = (flow: FlowFacts | undefined, gap: Gap): string => {
  const { gap_reason, gap_bytes, gap_packets, detail } = gap
  const address = flow?.client_addr ?? flow?.src_addr
  const where = flow === undefined ? '' : ` on connection ${flow.conn_id} of ${address ?? 'a client'}`
  const amount = gap_bytes === undefined ? '' : `, ${gap_bytes} bytes`
  const packets = gap_packets === undefined ? '' : `, ${gap_packets} packets`
  return `traffic is not audited${where}: ${gap_reason}${amount}${packets}${detail ? `: ${detail}` : ''}`
}

const watch = (sink: Sink, alerts: Alerts): Sink => ({
  emit(flow, event) {
    if (event.event === 'gap' && isAlarming(flow, event)) alerts.tell('gap', describeGap(flow, event))
    sink.emit(flow, event)
  },
})

/** `log` is one that does not repeat itself, `each` one that does. */
export const openAuditAlarm = (
  options: Options,
  log: Log,
  each: Log = log,
  now: Now = () => performance.now(),
): AuditAlarm => {
  const alerts = alertsOf(options, log)
  let space: SpaceWatch | undefined
  // a reader may be slow, and fast again, many times a second
  const logsOf = (output: string): Logs => ({ quiet: log, each: output === 'stdout' ? log : each })
  return {
    begin: () => {
      space ??= spaceOf(options, log, alerts)
    },
    reports: (output) => {
      const { onTrouble, onRecovered } = reportsOf(output, logsOf(output), alerts, now)
      return {
        onTrouble: (error) => {
          onTrouble(error)
          space?.look()
        },
        onRecovered,
        onIntents: (recovered, known) =>
          log.warn({ recovered, known }, 'statements that a killed process had kept were recovered'),
        onCut: (file, bytes) =>
          log.warn({ file, bytes }, 'the torn last line of a killed process was cut off the log'),
      }
    },
    watched: (sink) => (alerts === undefined ? sink : watch(sink, alerts)),
    close: async () => {
      space?.stop()
      await alerts?.close()
    },
  }
}
