/** `querytap probe`: live capture on an interface, by tcpdump, to the audit log. */
import type { Config } from '../../config/load.ts'
import { parseSize } from '../../config/units.ts'
import { filterOf } from '../capture/bpf.ts'
import { LiveCapture } from '../capture/live.ts'
import type { CaptureRecord } from '../capture/records.ts'
import { findTcpdump } from '../capture/tcpdump.ts'
import { ConfigError } from '../errors.ts'
import type { AuditLife, Gap, Sink } from '../event.ts'
import { type OpenLog, openLog } from '../log.ts'
import { type Clock, systemClock } from '../proxy/clock.ts'
import { connIds } from '../proxy/conn-id.ts'
import { type AuditLog, openAuditLog } from './audit-log.ts'
import { CaptureRun } from './capture-run.ts'
import { type CaptureSubject, captureSubject } from './capture-targets.ts'
import { type Pidfile, takePidfile } from './pidfile.ts'
import { type Signals, watchSignals } from './signals.ts'
import { startFacts } from './start-facts.ts'
import { warnAtStart } from './start-warnings.ts'

export interface ProbeOptions {
  /** records go to the standard output as well (`--stdout`) */
  readonly stdout: boolean
  /** called when packets are captured */
  readonly onCapturing?: () => void
  /** the process's own signals unless told */
  readonly signals?: Signals
  /** the capturing program, unless tcpdump is to be found */
  readonly command?: readonly [program: string, ...args: string[]]
}

/** How often it is looked whether time goes on without packets. */
const IDLE_EVERY_MS = 200
/** Packets come at most so late, in microseconds: what is missing for longer will not turn up. */
const LATE = 2_000_000
/** What tcpdump can be told to keep of a packet (its MAXIMUM_SNAPLEN). */
const LONGEST_SNAPSHOT = 262_144

const snapshotOf = (text: string): number | undefined => {
  if (text === '' || text === 'auto') return undefined
  const bytes = parseSize(text)
  if (bytes !== undefined && bytes >= 1 && bytes <= LONGEST_SNAPSHOT) return bytes
  throw new ConfigError(
    'invalid-value',
    '--snapshot-length',
    `probe.snapshotLength: "auto" or 1 to ${LONGEST_SNAPSHOT} bytes wanted, got ${JSON.stringify(text)}`,
  )
}

const interfaceOf = (config: Config): string => {
  const name = config.probe.interface
  if (name !== '' && !name.startsWith('-')) return name
  throw new ConfigError(
    'usage',
    '--interface',
    'the network interface is wanted: -i NAME (-i any for all), or [probe] interface in the configuration',
  )
}

/** One running probe. */
class RunningProbe {
  readonly #clock: Clock = systemClock()
  readonly #log: OpenLog
  readonly #dialect: string
  readonly #run: CaptureRun
  readonly #live: LiveCapture
  #audit: AuditLog | undefined
  #idle: NodeJS.Timeout | undefined
  #records = 0
  #seen = 0

  constructor(
    config: Config,
    subject: CaptureSubject,
    log: OpenLog,
    command: readonly [string, ...string[]],
  ) {
    this.#log = log
    this.#dialect = subject.dumper.name
    const name = interfaceOf(config)
    const sink: Sink = { emit: (flow, event) => this.#audit?.sink.emit(flow, event) }
    this.#run = new CaptureRun({
      ...{ config, subject, sink, log: log.log, connId: connIds(), interface: name },
    })
    const { filter, bufferSize, immediateMode, snapshotLength } = config.probe
    const snapshot = snapshotOf(snapshotLength)
    this.#live = new LiveCapture({
      ...{ command, interface: name, bufferBytes: bufferSize, immediateMode, log: log.log },
      ...(snapshot !== undefined && { snapshotLength: snapshot }),
      filter: filter || filterOf(subject.targets, true),
      ...(filter === '' && { plainFilter: filterOf(subject.targets, false) }),
      onRecord: (record) => this.#record(record),
      onLoss: (packets, detail) => this.#lost(packets, detail),
    })
  }

  tell(event: AuditLife['event'], fields: AuditLife['fields']): void {
    const at = this.#clock.now()
    this.#audit?.sink.emit(undefined, { event, at, fields: { pid: process.pid, ...fields } })
  }

  /** Captures, and only then opens the audit log: a start that fails leaves no file behind. */
  async start(openAudit: () => AuditLog): Promise<void> {
    await this.#live.start()
    // In the turn in which tcpdump says that it listens: its packets come in later ones.
    try {
      this.#audit = openAudit()
    } catch (error) {
      await this.#live.stop(Promise.resolve())
      throw error
    }
    this.#idle = setInterval(() => this.#lookForIdleness(), IDLE_EVERY_MS)
  }

  reopen(): void {
    this.#log.reopen()
    this.#audit?.reopen()
    this.#log.log.info({}, 'logs reopened')
  }

  async stop(now: Promise<unknown>): Promise<void> {
    await this.#live.stop(now)
    clearInterval(this.#idle)
    this.#run.end('shutdown')
    const { counts, restarts } = this.#live
    const { segments, flows, lost, repeated, broken } = this.#run.capture.counts
    const { statements } = this.#run
    const fields = { ...counts, segments, flows, lost, repeated, broken, statements, restarts }
    this.#log.log.info(fields, 'capture ended')
  }

  #record(record: CaptureRecord): void {
    this.#records++
    this.#run.record(record)
  }

  #lookForIdleness(): void {
    if (this.#seen === this.#records) this.#run.advance(this.#clock.now() - LATE)
    this.#seen = this.#records
  }

  /** Nobody knows whose packets they were: the record is of no connection. */
  #lost(packets: number | undefined, detail: string): void {
    const gap: Gap = {
      event: 'gap',
      at: this.#clock.now(),
      who: { dialect: this.#dialect },
      gap_reason: 'lost',
      ...(packets !== undefined && { gap_packets: packets }),
      detail,
    }
    this.#audit?.sink.emit(undefined, gap)
  }
}

/**
 * Captures until a signal ends it, and answers the exit code. Throws ConfigError for what its user, or the
 * machine's owner, has to mend: no tcpdump, no permission, no such interface.
 */
export const runProbe = async (config: Config, options: ProbeOptions): Promise<number> => {
  const toStdout = options.stdout || config.dumpLog.stdout
  const name = interfaceOf(config)
  snapshotOf(config.probe.snapshotLength)
  const subject = await captureSubject(config)
  const command = options.command ?? [findTcpdump()]
  const log = await openLog(config.log, toStdout ? process.stderr : process.stdout)
  let pidfile: Pidfile | undefined
  let audit: AuditLog | undefined
  let probe: RunningProbe | undefined
  let signals: Signals | undefined
  let reason = 'failed'
  try {
    if (config.querytap.pidfile) pidfile = takePidfile(config.querytap.pidfile, false)
    warnAtStart(config, toStdout, log.log)
    const running = new RunningProbe(config, subject, log, command)
    await running.start(() => {
      audit = openAuditLog(config.dumpLog, toStdout, log.log)
      return audit
    })
    probe = running
    const { detail } = config.dumpLog
    const facts = { interface: name, target: subject.targetText, dumper: subject.dumper.name }
    running.tell('audit.start', { detail, command: 'probe', ...facts, ...startFacts(config, audit?.keyId) })
    log.log.info({ ...facts }, 'capturing')
    options.onCapturing?.()
    signals = options.signals ?? watchSignals(() => running.reopen())
    const stop = await signals.stop
    reason = stop.signal
    await running.stop(signals.now)
    return 0
  } catch (err) {
    log.log.error({ err }, 'failed')
    throw err
  } finally {
    probe?.tell('audit.stop', { reason })
    await audit?.close()
    pidfile?.release()
    log.log.info({ reason }, 'stopped')
    await log.close()
    signals?.off()
  }
}
