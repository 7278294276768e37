import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Config, type LoadOptions, loadConfig } from '../../config/load.ts'
import { ConfigError } from '../../src/errors.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-config-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0
const fileWith = (text: string): string => {
  files += 1
  const file = join(directory, `${files}.toml`)
  writeFileSync(file, text)
  return file
}

const load = (text: string, more: LoadOptions = {}): Config =>
  loadConfig({ env: {}, file: fileWith(text), ...more })

/** The error, its message with FILE for the file's path. */
const refused = (
  text: string,
  more: LoadOptions = {},
): { code: string; option: string; lines: string[] } => {
  try {
    load(text, more)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const lines = error.message.split('\n').map((line) => line.replace(/^\/\S+?\.toml/, 'FILE'))
    return { code: error.code, option: error.option, lines }
  }
  throw new Error('the configuration was taken')
}

const TARGET = '[proxy]\nlistenAddr = "127.0.0.1:15432"\nremoteAddr = "db:5432"\n'

describe('precedence', () => {
  const flag = { section: 'dumpLog', key: 'dir', value: '/flag', label: '--dump-log-dir' } as const

  test('flags over environment over file over defaults', () => {
    const text = '[dumpLog]\ndir = "/file"'
    const env = { QUERYTAP_DUMPLOG_DIR: '/env' }
    expect(load('').dumpLog.dir).toBe('.')
    expect(load(text).dumpLog.dir).toBe('/file')
    expect(load(text, { env }).dumpLog.dir).toBe('/env')
    expect(load(text, { env, flags: [flag] }).dumpLog.dir).toBe('/flag')
  })

  test.each([
    [{ QUERYTAP_PROXY_LISTENADDR: ':1', TCPDP_PROXY_LISTENADDR: ':2' }, ':1'],
    [{ TCPDP_PROXY_LISTENADDR: ':2' }, ':2'],
    [{ QUERYTAP_PROXY_LISTENADDR: '', TCPDP_PROXY_LISTENADDR: ':2' }, ':2'],
  ])('%j', (env, expected) => {
    expect(load('', { env }).proxy.listenAddr).toBe(expected)
  })

  test('variables are read as their option wants', () => {
    const config = load('', {
      env: {
        QUERYTAP_DUMPER: 'hex',
        QUERYTAP_QUERYTAP_PIDFILE: '/run/a.pid',
        TCPDP_TCPDP_PROXYPROTOCOL: 'true',
        QUERYTAP_PROXY_ALLOW: '10.0.0.0/8, ::1',
        QUERYTAP_PROXY_LOGINTIMEOUT: '5',
        QUERYTAP_PROXY_MAXCONNECTIONS: '7',
        QUERYTAP_PROXY_TLS_CLIENT: 'passthrough',
        QUERYTAP_DUMPLOG_ENABLE: '0',
        QUERYTAP_DUMPLOG_ROTATIONSIZE: '100MB',
        QUERYTAP_PROXY_PORT_5432_TCP: 'tcp://10.0.0.1:5432',
        QUERYTAP_PROXY_SERVICE_HOST: '10.0.0.1',
        QUERYTAP_DEBUG: '1',
      },
    })
    expect(config.querytap).toEqual({ dumper: 'hex', pidfile: '/run/a.pid', proxyProtocol: true })
    expect(config.proxy).toMatchObject({
      allow: ['10.0.0.0/8', '::1'],
      loginTimeout: 5000,
      maxConnections: 7,
    })
    expect(config.proxy.tls).toEqual({ client: 'passthrough', server: 'disable' })
    expect(config.dumpLog).toMatchObject({ enable: false, rotationSize: 100 * 1024 * 1024 })
  })

  test('wrong variables are named', () => {
    const env = {
      QUERYTAP_PROXY_LISTENADR: ':1',
      QUERYTAP_PROXY_MAXCONNECTIONS: 'many',
      QUERYTAP_LOG_ENABLE: 'yes',
    }
    expect(refused('', { env })).toEqual({
      code: 'unknown-key',
      option: 'QUERYTAP_PROXY_LISTENADR',
      lines: [
        'QUERYTAP_PROXY_LISTENADR: unknown variable, did you mean QUERYTAP_PROXY_LISTENADDR?',
        'QUERYTAP_PROXY_MAXCONNECTIONS: wanted a whole number, 0 or more, got "many"',
        'QUERYTAP_LOG_ENABLE: wanted true or false, got "yes"',
      ],
    })
  })

  test('wrong flags are named as they were written', () => {
    const listen = { section: 'proxy', key: 'listenAddr', value: 'localhost', label: '--listen' } as const
    expect(refused('', { flags: [listen] })).toMatchObject({
      option: '--listen',
      lines: [
        expect.stringMatching(/^--listen: the port is missing; wanted an address .*, got "localhost"$/),
      ],
    })
  })

  test("tcpdp's file as its manual has it", () => {
    const config = load(`
[tcpdp]
pidfile = "/var/run/tcpdp.pid"
dumper = "mysql"
[probe]
target = "db.example.com:3306"
interface = "en0"
bufferSize = "2MB"
immediateMode = false
snapshotLength = "auto"
internalBufferLength = 10000
filter = ""
[proxy]
useServerStarter = false
listenAddr = "localhost:3306"
remoteAddr = "db.example.com:3306"
[log]
dir = "/var/log/tcpdp"
enable = true
enableInternal = true
stdout = true
format = "ltsv"
rotateEnable = true
rotationTime = "daily"
rotationCount = 7
rotationHook = "/path/to/after_rotate.sh"
fileName = "tcpdp.log"
[dumpLog]
dir = "/var/log/dump"
enable = true
stdout = false
stdoutFormat = "console"
format = "json"
rotateEnable = true
rotationTime = "hourly"
rotationCount = 24
`)
    expect(config.querytap.dumper).toBe('mysql')
    expect(config.probe.bufferSize).toBe(2 * 1024 * 1024)
    expect(config.log).toMatchObject({ format: 'ltsv', rotationCount: 7, fileName: 'tcpdp.log' })
    expect(config.listeners).toHaveLength(1)
  })

  test('the whole is frozen', () => {
    const config = load(TARGET)
    expect(Object.isFrozen(config)).toBe(true)
    expect(Object.isFrozen(config.proxy.allow)).toBe(true)
    expect(Object.isFrozen(config.listeners[0]?.remote)).toBe(true)
  })
})

test('a command that is no proxy does not mind the listeners', () => {
  const flag = { section: 'querytap', key: 'dumper', value: 'pg', label: '--dumper' } as const
  const text = '[[listener]]\nlistenAddr = ":15432"\nremoteAddr = "db:9999"\ndumper = "hex"\n'
  const config = load(text, { flags: [flag], hasListeners: false })
  expect(config.listeners).toEqual([])
  expect(config.querytap.dumper).toBe('pg')
  expect(refused(text, { flags: [flag] }).option).toBe('--dumper')
})

test('the two logs do not share a file', () => {
  const shared = '[log]\ndir = "/a"\nfileName = "x.log"\n[dumpLog]\ndir = "/b/../a"\nfileName = "x.log"\n'
  expect(refused(shared).lines).toEqual([
    'log.fileName: "x.log" is that of the audit log in the same directory already',
  ])
  expect(load(`${shared}enable = false`).dumpLog.enable).toBe(false)
})

describe('[tcpdp] and [querytap] are one table', () => {
  test('they add up', () => {
    const config = load(
      '[tcpdp]\ndumper = "pg"\npidfile = "/a"\n[querytap]\ndumper = "pg"\nproxyProtocol = true',
    )
    expect(config.querytap).toEqual({ dumper: 'pg', pidfile: '/a', proxyProtocol: true })
  })

  test('they may not disagree', () => {
    expect(refused('[querytap]\ndumper = "pg"\n[tcpdp]\ndumper = "hex"').lines).toEqual([
      'FILE:4: tcpdp.dumper: differs from querytap.dumper; keep [querytap] alone',
    ])
  })
})

describe('what is wrong is told, all together, by line', () => {
  test.each<[string, string, string[]]>([
    [
      'unknown key',
      '[proxy]\n\nlistenAdr = ":1"',
      ['FILE:3: proxy.listenAdr: unknown key, did you mean listenAddr?'],
    ],
    [
      'other case',
      '[proxy]\nlistenaddr = ":1"',
      ['FILE:2: proxy.listenaddr: unknown key, did you mean listenAddr?'],
    ],
    ['unknown table', '[dumplog]\ndir = "."', ['FILE:1: dumplog: unknown key, did you mean [dumpLog]?']],
    [
      'listeners',
      '[[listeners]]\nname = "a"',
      ['FILE:1: listeners: unknown key, did you mean [listener]?'],
    ],
    [
      'key of another table',
      '[log]\ncompress = "gzip"',
      ['FILE:2: log.compress: unknown key, it belongs in [dumpLog]'],
    ],
    ['key outside', 'dumper = "pg"', ['FILE:1: dumper: unknown key, it belongs in [querytap]']],
    ['nonsense', '[log]\nxyzzy = 1', ['FILE:2: log.xyzzy: unknown key']],
    [
      'choice',
      '[dumpLog]\nrotationTime = "weekly"',
      ['FILE:2: dumpLog.rotationTime: wanted "secondly", "minutely", "hourly" or "daily", got "weekly"'],
    ],
    ['boolean', '[log]\nenable = "true"', ['FILE:2: log.enable: wanted true or false, got "true"']],
    [
      'integer',
      '[log]\nrotationCount = 1.5',
      ['FILE:2: log.rotationCount: wanted a whole number, 0 or more, got 1.5'],
    ],
    [
      'negative',
      '[log]\nrotationCount = -1',
      ['FILE:2: log.rotationCount: wanted a whole number, 0 or more, got -1'],
    ],
    [
      'duration',
      '[proxy]\ndialTimeout = "10 minutes"',
      [
        'FILE:2: proxy.dialTimeout: wanted a duration such as "500ms", "10s", "1m", "1h" or "7d", or a number of ' +
          'seconds, got "10 minutes"',
      ],
    ],
    [
      'duration that no timer can wait',
      '[proxy]\ndrainTimeout = "25d"',
      [
        'FILE:2: proxy.drainTimeout: wanted a duration such as "500ms", "10s", "1m", "1h" or "7d", or a number of ' +
          'seconds, 24d or less, got "25d"',
      ],
    ],
    [
      'size',
      '[dumpLog]\nmaxQueryBytes = 10',
      [
        'FILE:2: dumpLog.maxQueryBytes: wanted a size such as "64KiB", "2MB" or "1GiB", or a number of bytes, ' +
          '1KiB or more, got 10',
      ],
    ],
    [
      'guarantee',
      '[dumpLog]\nguarantee = "sync"',
      ['FILE:2: dumpLog.guarantee: wanted "written", "synced" or "observe", got "sync"'],
    ],
    [
      'wishes that "observe" cannot grant',
      '[dumpLog]\nguarantee = "observe"\nonFailure = "block"\nonUndecodable = "refuse"',
      [
        'FILE:3: dumpLog.onFailure: "block" wants the guarantee "written" or "synced"',
        'FILE:4: dumpLog.onUndecodable: "refuse" wants the guarantee "written" or "synced"',
      ],
    ],
    [
      'what seals are for, without seals',
      '[dumpLog]\ncheckpointInterval = "0s"\nsigningKey = "k.pem"\ncheckpointHook = "/bin/true"',
      [
        'FILE:3: dumpLog.signingKey: wants seals, checkpointInterval = "0s" leaves none',
        'FILE:4: dumpLog.checkpointHook: wants seals, checkpointInterval = "0s" leaves none',
      ],
    ],
    [
      'tls',
      '[proxy.tls]\nclient = "terminate"',
      [
        'FILE:2: proxy.tls.client: not in this version: TLS interception comes with a later version; wanted ' +
          '"refuse" or "passthrough", got "terminate"',
      ],
    ],
    [
      'inline table',
      '[proxy]\ntls = {\tclient = "no" }',
      ['FILE:2: proxy.tls.client: wanted "refuse" or "passthrough", got "no"'],
    ],
    ['no table', 'proxy = 3', ['FILE:1: proxy: wanted a table, [proxy], got 3']],
    ['no blocks', '[listener]\nname = "a"', ['FILE:1: listener: wanted tables, [[listener]], got a table']],
    [
      'allow-list',
      '[proxy]\nallow = [\n "10.0.0.0/8",\n "10.0.0.0/33"]',
      [
        'FILE:2: proxy.allow: this is no address and no network in CIDR form; wanted a list of networks such as ' +
          '["10.0.0.0/8", "::1"], got "10.0.0.0/33"',
      ],
    ],
    [
      'file mode',
      '[dumpLog]\nfileMode = "rw"',
      ['FILE:2: dumpLog.fileMode: wanted permission bits as an octal text such as "0600", got "rw"'],
    ],
    [
      'file name',
      '[log]\nfileName = "a/b"',
      [
        'FILE:2: log.fileName: this is no plain file name; wanted a file name without a directory, got "a/b"',
      ],
    ],
    [
      'in a block',
      '[[listener]]\nlistenAddr = ":1"\nremoteAddr = "a:5432"\n[[listener]]\nremote = "a:1"',
      ['FILE:5: listener.remote: unknown key, did you mean remoteAddr?'],
    ],
    [
      'several',
      '[log]\nfoo = 1\n[dumpLog]\nformat = "xml"\n[probe]\ntarget = 3306',
      [
        'FILE:2: log.foo: unknown key',
        'FILE:4: dumpLog.format: wanted "json" or "ltsv", got "xml"',
        'FILE:6: probe.target: wanted a text, got 3306',
      ],
    ],
  ])('%s', (_, text, lines) => {
    expect(refused(text).lines).toEqual(lines)
  })

  test('what is not TOML has line and column', () => {
    const { code, lines } = refused('[proxy]\nlistenAddr = \n')
    expect(code).toBe('syntax')
    expect(lines).toEqual([expect.stringMatching(/^FILE:2:\d+: this is not TOML: /)])
  })
})

describe('files', () => {
  test('a named file must exist', () => {
    const missing = join(directory, 'none.toml')
    expect(() => loadConfig({ env: {}, file: missing })).toThrow(
      expect.objectContaining({ code: 'usage', message: `--config ${missing}: there is no such file` }),
    )
  })

  test('a directory stands for the file in it', () => {
    const folder = join(directory, 'folder')
    mkdirSync(folder)
    expect(() => loadConfig({ env: {}, file: folder })).toThrow(
      /there is no querytap.toml in this directory/,
    )
    writeFileSync(join(folder, 'tcpdp.toml'), '[tcpdp]\ndumper = "hex"')
    expect(loadConfig({ env: {}, file: folder }).querytap.dumper).toBe('hex')
    writeFileSync(join(folder, 'querytap.toml'), '[tcpdp]\ndumper = "conn"')
    expect(loadConfig({ env: {}, file: folder }).querytap.dumper).toBe('conn')
  })

  test('the first of the usual places is taken, and none is no error', () => {
    const second = fileWith('[log]\ndir = "/second"')
    const third = fileWith('[log]\ndir = "/third"')
    const config = loadConfig({ env: {}, candidates: [join(directory, 'none'), second, third] })
    expect([config.file, config.log.dir]).toEqual([second, '/second'])
    expect(loadConfig({ env: {}, candidates: [] }).file).toBeUndefined()
  })

  test('a file that cannot be read is the fault of the environment', () => {
    const folder = join(directory, 'unreadable.toml')
    mkdirSync(folder)
    expect(() => loadConfig({ env: {}, candidates: [folder] })).toThrow(
      expect.objectContaining({ code: 'environment', message: `${folder}: cannot be read: EISDIR` }),
    )
  })

  test('a byte order mark is no key', () => {
    expect(load('\uFEFF[log]\ndir = "/a"').log.dir).toBe('/a')
  })
})
