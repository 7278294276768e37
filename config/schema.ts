/** Each option once: its name, unit, default, what it does, and its check. */
import { z } from 'zod'
import type { Option, ValuesOf } from './option.ts'
import * as kind from './option.ts'

const ROTATION_TIMES = ['secondly', 'minutely', 'hourly', 'daily'] as const
const FORMATS = ['json', 'ltsv'] as const
const STDOUT_FORMATS = ['auto', 'console', 'json', 'ltsv'] as const
const TLS_LATER = 'TLS interception comes with a later version'

/** `[querytap]`, or `[tcpdp]` as in tcpdp's files. */
export const QUERYTAP = {
  pidfile: kind.text('', 'File that the process id is written to; none when empty.'),
  dumper: kind.text(
    '',
    'Dialect of the traffic: "pg", "mysql" (MariaDB too), "hex", "conn", or the path of a module that\n' +
      'exports your own dumper. When empty it follows from the remote\'s port (5432: "pg", 3306: "mysql").',
  ),
  proxyProtocol: kind.flag(
    false,
    'Clients come through a load balancer that puts a PROXY protocol header (v1 or v2) first.\n' +
      'It is then required, recorded, and taken out of the stream.',
  ),
} as const

/** `[probe]`: live capture, as in tcpdp. */
export const PROBE = {
  target: kind.text('', 'What to look at: "3306", "host:3306", "host", several joined by "||".'),
  interface: kind.text('', 'Network interface to capture on.'),
  bufferSize: kind.size('2MiB', "The kernel's buffer for captured packets."),
  immediateMode: kind.flag(false, 'Deliver each packet at once instead of in batches.'),
  snapshotLength: kind.text(
    'auto',
    'Bytes kept of each packet, such as "65535B"; "auto" takes them whole.',
  ),
  internalBufferLength: kind.count(
    10_000,
    1,
    "Taken for the sake of tcpdp's files; without effect: packets wait in the kernel's buffer.",
  ),
  filter: kind.text('', 'A BPF filter to use instead of the one made from the target.'),
} as const

/** TLS on either side of a listener. */
export const TLS = {
  client: kind.choice(
    ['refuse', 'passthrough'],
    'What a client that asks for TLS is told.\n' +
      '"refuse": there is none; clients that merely prefer TLS go on in plain text and are audited.\n' +
      '"passthrough": the server answers; a session that is encrypted then is one gap record, not audited.',
    { later: { terminate: `not in this version: ${TLS_LATER}` } },
  ),
  server: kind.choice(['disable'], 'TLS towards the server: none in this version.', {
    later: Object.fromEntries(
      ['prefer', 'require', 'verify-ca', 'verify-full'].map((word) => [
        word,
        `not in this version: ${TLS_LATER}`,
      ]),
    ),
  }),
} as const

/** What a listener does with its connections: `[proxy]` for all, a `[[listener]]` block for its own. */
const CONNECTION = {
  allow: kind.networks('Networks whose clients may connect, as ["10.0.0.0/8", "::1"]; all when empty.'),
  maxConnections: kind.count(
    0,
    0,
    'Connections at a time; further clients are turned away in their own protocol. 0: no limit.',
  ),
  loginTimeout: kind.duration(
    '60s',
    'A client that has not logged in by then is turned away. "0s": no limit.',
  ),
  dialTimeout: kind.duration('10s', 'How long to wait for the server to take a connection.'),
  keepAlive: kind.duration(
    '60s',
    'Idle time after which TCP keep-alive probes begin, on both sides. "0s": no probes.',
  ),
  listenBacklog: kind.count(511, 1, 'Connections that the kernel may hold until they are accepted.'),
  proxyProtocolForward: kind.flag(
    false,
    'Pass the PROXY protocol header on, for servers that take it, instead of taking it out.',
  ),
} as const

/** `[proxy]` */
export const PROXY = {
  useServerStarter: kind.flag(
    false,
    'Take over listening sockets from Server::Starter (SERVER_STARTER_PORT) or systemd (LISTEN_FDS).',
  ),
  listenAddr: kind.listenAddress('Where clients connect: "host:port", "[v6]:port", ":port", or a path.'),
  remoteAddr: kind.remoteAddress(
    'The database server: "host:port", "[v6]:port", or the path of its socket.',
  ),
  ...CONNECTION,
  drainTimeout: kind.duration(
    '0s',
    'On SIGTERM and SIGQUIT, how long sessions may go on before they are ended. "0s": as long as they last.',
    kind.LONGEST_TIMER,
  ),
} as const

const ROTATION = {
  rotateEnable: kind.flag(true, 'Begin a new file from time to time.'),
  rotationHook: kind.text(
    '',
    'Program to run after a rotation, without a shell; its arguments are the previous and the current file.',
  ),
  hookTimeout: kind.duration(
    '60s',
    'The hook is ended after this time. "0s": no limit.',
    kind.LONGEST_TIMER,
  ),
} as const

/** `[log]`: the operational log. It never carries audit data. */
export const LOG = {
  dir: kind.text('.', 'Directory of the operational log.'),
  enable: kind.flag(true, 'Write it to a file.'),
  enableInternal: kind.flag(false, 'Tell also what matters to the developers only.'),
  stdout: kind.flag(
    true,
    'Show it on the standard output as well, to whoever started the program; on the standard error\n' +
      'when the standard output carries the audit.',
  ),
  stdoutFormat: kind.choice(
    STDOUT_FORMATS,
    'Form of what is shown: "console" is for people; "auto" means that on a terminal, else "json".',
    { same: { '': 'auto' } },
  ),
  format: kind.choice(FORMATS, 'Form of the file.'),
  ...ROTATION,
  rotationTime: kind.choice(ROTATION_TIMES, 'When a new file begins.', { fallback: 'daily' }),
  rotationCount: kind.count(7, 0, 'Files kept. 0: all.'),
  fileName: kind.fileName(
    'querytap.log',
    'Name in the directory: a link to the current file when rotation is on, as querytap.20240501.1.log.',
  ),
} as const

/** `[dumpLog]`: the audit log. */
export const DUMP_LOG = {
  dir: kind.text('.', 'Directory of the audit log.'),
  enable: kind.flag(true, 'Write it to a file.'),
  enableInternal: kind.flag(false, "Taken for the sake of tcpdp's files; without effect."),
  stdout: kind.flag(false, 'Write it to the standard output as well.'),
  stdoutFormat: kind.choice(
    STDOUT_FORMATS,
    'Form on the standard output: "console" is for people; "auto" means that on a terminal, else "json".',
    { same: { '': 'auto' } },
  ),
  format: kind.choice(FORMATS, 'Form of the file.'),
  detail: kind.choice(
    ['statement', 'message'],
    '"statement": one record per statement, with its outcome.\n' +
      '"message": one line per wire message, with the keys of tcpdp\'s log.',
  ),
  guarantee: kind.choice(
    ['written', 'synced', 'observe'],
    'What the log of a proxy promises (docs/guarantees.md).\n' +
      '"written": a statement is in the hands of the operating system before the server gets it.\n' +
      '"synced": it is on stable storage by then.\n' +
      '"observe": bytes are forwarded first and decoded after, never held back.',
  ),
  onFailure: kind.choice(
    ['auto', 'block', 'continue'],
    'While the log cannot be written, "block" lets no statement begin, "continue" counts what is lost.\n' +
      '"auto": "block", with the guarantee "observe" "continue".',
  ),
  onUndecodable: kind.choice(
    ['auto', 'refuse', 'pass'],
    'A session that can no longer be decoded is ended ("refuse"), or goes on unaudited ("pass").\n' +
      '"auto": "refuse", with the guarantee "observe" "pass".',
  ),
  blockTimeout: kind.duration(
    '30s',
    'A statement waits no longer than this for the log; then its session is ended. "0s": without end.',
    kind.LONGEST_TIMER,
  ),
  bindValues: kind.choice(
    ['full', 'length', 'none'],
    'What is recorded of bound values: the values, their lengths in bytes, or nothing.',
  ),
  maxQueryBytes: kind.size(
    '1MiB',
    "Bytes kept of one statement's text; of a longer one the record has length and hash as well.",
    1024,
  ),
  maxValueBytes: kind.size(
    '64KiB',
    'Bytes kept of one bound value; of a longer one length and hash as well.',
    64,
  ),
  maxStatements: kind.count(1000, 1, 'Prepared statements and portals remembered per session.'),
  maxQueue: kind.count(
    10_000,
    1,
    'Statements per session that may await their replies and are kept whole.',
  ),
  sessionBytes: kind.size(
    '256MiB',
    'Memory that all sessions together may use for texts and values.',
    1 << 20,
  ),
  bufferBytes: kind.size(
    '64MiB',
    'Memory for records that wait while the log cannot be written; past it they are counted as lost.',
    65_536,
  ),
  openAfter: kind.duration(
    '10s',
    'A statement that runs longer is recorded (statement.open) while it runs. "0s": never.',
    kind.LONGEST_TIMER,
  ),
  spaceLeft: kind.size(
    '0B',
    'Warn, and run alertHook, when the log\'s file system has less free space than this. "0B": never.',
  ),
  alertHook: kind.text(
    '',
    'Program to run, without a shell, when space runs out ("space"), records are lost ("loss"), the log\n' +
      'cannot be written ("block"), or traffic cannot be decoded ("gap"). Its arguments are that word,\n' +
      'and what happened.',
  ),
  timezone: kind.choice(['utc', 'local'], 'Times in records and file names.'),
  ...ROTATION,
  rotationTime: kind.choice(ROTATION_TIMES, 'When a new file begins.', { fallback: 'hourly' }),
  rotationSize: kind.size('0B', 'Begin a new file also when one has reached this size. "0B": no limit.'),
  rotationCount: kind.count(
    0,
    0,
    'Files kept. 0: all; nothing is deleted unless one of these three says so.',
  ),
  rotationMaxAge: kind.duration('0s', 'Delete files that are older than this, as "30d". "0s": none.'),
  rotationMaxTotal: kind.size(
    '0B',
    'Delete the oldest files when all together are larger, as "10GiB". "0B": none.',
  ),
  compress: kind.choice(['none', 'gzip'], 'Compress finished files, before the hook runs.'),
  fileName: kind.fileName(
    'dump.log',
    'Name in the directory: a link to the current file when rotation is on, as dump.log.2024050109.',
  ),
  checkpointInterval: kind.duration(
    '1s',
    'A seal (audit.checkpoint) follows each record after this time at the latest; by the seals\n' +
      '"querytap verify" finds what was changed. "0s": the log is not sealed.',
    kind.LONGEST_TIMER,
  ),
  signingKey: kind.text(
    '',
    'File of a private key of Ed25519 in PEM form that signs the seals; "querytap keygen" makes one.\n' +
      'Without it seals show accidents only.',
  ),
  checkpointHook: kind.text(
    '',
    'Program to run with each seal, without a shell, so that it can be kept elsewhere; its arguments\n' +
      'are the seal, its signature, and the file. While it runs only the newest seal waits.',
  ),
  fileMode: kind.fileMode('0600', "Permissions of the files, whatever the process's umask."),
  fileGroup: kind.text('', 'Group of the files, by name or number, so that a log shipper may read them.'),
} as const

/** `[[listener]]`: several targets in one process. What a block leaves out is as above. */
export const LISTENER = {
  name: kind.text('', 'Name of the listener in the records; its address when empty.'),
  listenAddr: PROXY.listenAddr,
  remoteAddr: PROXY.remoteAddr,
  dumper: QUERYTAP.dumper,
  proxyProtocol: QUERYTAP.proxyProtocol,
  ...CONNECTION,
} as const

/** The tables of options by the section they stand in; a dot stands for a table in a table. */
export const SECTIONS = {
  querytap: QUERYTAP,
  probe: PROBE,
  proxy: PROXY,
  'proxy.tls': TLS,
  log: LOG,
  dumpLog: DUMP_LOG,
} as const

export type SectionName = keyof typeof SECTIONS
export type Sections = { readonly [Name in SectionName]: ValuesOf<(typeof SECTIONS)[Name]> }
export type OptionTable = Readonly<Record<string, Option>>

/** The same tables, with the options' own types left out. */
export const TABLES = SECTIONS as unknown as Readonly<Record<SectionName, OptionTable>>
export const LISTENER_TABLE = LISTENER as unknown as OptionTable
export const TLS_TABLE = TLS as unknown as OptionTable

export type LogConfig = Sections['log']
export type DumpLogConfig = Sections['dumpLog']
export type TlsConfig = Sections['proxy.tls']

const shapeOf = (table: OptionTable): Record<string, z.ZodType> =>
  Object.fromEntries(Object.entries(table).map(([key, option]) => [key, option.schema.optional()]))

const querytapShape = z.strictObject(shapeOf(TABLES.querytap)).optional()

/** A configuration file's document: what it has is checked and made effective, what it has not stays out. */
export const FILE_SCHEMA = z.strictObject({
  querytap: querytapShape,
  tcpdp: querytapShape,
  probe: z.strictObject(shapeOf(TABLES.probe)).optional(),
  proxy: z
    .strictObject({ ...shapeOf(TABLES.proxy), tls: z.strictObject(shapeOf(TLS_TABLE)).optional() })
    .optional(),
  log: z.strictObject(shapeOf(TABLES.log)).optional(),
  dumpLog: z.strictObject(shapeOf(TABLES.dumpLog)).optional(),
  listener: z
    .array(
      z.strictObject({ ...shapeOf(LISTENER_TABLE), tls: z.strictObject(shapeOf(TLS_TABLE)).optional() }),
    )
    .optional(),
})

export type FileDocument = z.infer<typeof FILE_SCHEMA>
