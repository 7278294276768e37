import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ConfigError } from '../../src/errors.ts'
import { type Log, type LogFields, type LogOptions, openLog, silentLog, throttled } from '../../src/log.ts'

let directory = ''
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'querytap-log-')))
})
afterEach(() => rmSync(directory, { recursive: true }))

const options = (more: Partial<LogOptions> = {}): LogOptions => ({
  dir: directory,
  enable: true,
  enableInternal: false,
  stdout: false,
  stdoutFormat: 'auto',
  format: 'json',
  rotateEnable: true,
  rotationTime: 'daily',
  rotationCount: 7,
  rotationHook: '',
  hookTimeout: 10_000,
  fileName: 'querytap.log',
  ...more,
})

const current = (): string => readFileSync(join(directory, 'querytap.log'), 'utf8')
const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const shownBy = async (
  more: Partial<LogOptions>,
  isTTY: boolean,
  write: (log: Log) => void,
): Promise<string> => {
  const stream = Object.assign(new PassThrough(), { isTTY })
  const { log, close } = await openLog(options({ enable: false, stdout: true, ...more }), stream)
  write(log)
  await close()
  return String(stream.read() ?? '')
}

describe('lines', () => {
  test('have the keys of tcpdp and are written at once', async () => {
    const { log, close } = await openLog(options())
    log.info({ listen_addr: '127.0.0.1:1' }, 'listening')
    log.child({ conn_id: 'a' }).warn({}, 'slow')
    log.debug({}, 'not told')
    const [first, second, ...rest] = linesOf(current())
    expect(first).toEqual({
      level: 'info',
      ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/),
      pid: process.pid,
      listen_addr: '127.0.0.1:1',
      msg: 'listening',
    })
    expect(second).toMatchObject({ level: 'warn', conn_id: 'a', msg: 'slow' })
    expect(rest).toEqual([])
    await close()
  })

  test('enableInternal tells more', async () => {
    const text = await shownBy({ enableInternal: true }, false, (log) => log.debug({}, 'inner'))
    expect(linesOf(text)).toMatchObject([{ level: 'debug', msg: 'inner' }])
  })

  test.each<[string, LogFields, object]>([
    ['err', { err: new TypeError('broken') }, { error: 'broken' }],
    ['error', { error: new Error('broken') }, { error: 'broken' }],
    ['text', { error: 'words' }, { error: 'words' }],
    [
      'code',
      { err: Object.assign(new Error('gone'), { code: 'EPIPE' }) },
      { error: 'gone', error_code: 'EPIPE' },
    ],
    [
      'code in the text',
      { err: Object.assign(new Error('EPIPE: gone'), { code: 'EPIPE' }) },
      { error: 'EPIPE: gone' },
    ],
  ])('an error by %s is one line without a stack', async (_, fields, expected) => {
    const [line] = linesOf(await shownBy({}, false, (log) => log.error(fields, 'failed')))
    const { level, ts, pid, msg, ...rest } = line as Record<string, unknown>
    expect([level, msg, rest]).toEqual(['error', 'failed', expected])
  })

  test('LTSV', async () => {
    const { log, close } = await openLog(options({ format: 'ltsv' }))
    log.info({ path: 'a\tb\\c\nd', list: [1, 'x'] }, 'told')
    expect(current()).toMatch(
      /^level:info\tts:2\S+Z\tpid:\d+\tpath:a\\tb\\\\c\\nd\tlist:\[1,"x"\]\tmsg:told\n$/,
    )
    await close()
  })

  test('for people: colour on a terminal, and nothing that moves its cursor', async () => {
    vi.stubEnv('NO_COLOR', '')
    const fields = { a: 'x y', evil: '\u001b[2J\u009b\u202e', list: ['b'] }
    const text = await shownBy({}, true, (log) => log.info(fields, 'told\u001b[2J'))
    vi.unstubAllEnvs()
    // biome-ignore lint/complexity/useRegexLiterals: control characters
    const plain = text.replace(new RegExp('\u001b\\[\\d+m', 'g'), '')
    expect(plain).not.toBe(text)
    expect(plain).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}told\\u001b\[2J {2}a="x y" evil=\S+ list="\[\\"b\\"\]"\n$/,
    )
    expect(plain).not.toMatch(/[\u001b\u009b\u202e]/)
  })

  test.each<[Partial<LogOptions>, boolean, RegExp]>([
    [{}, false, /^\{"level"/],
    [{ stdoutFormat: 'ltsv' }, true, /^level:info/],
    [{ stdoutFormat: 'console' }, false, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}told\n/],
    [{ stdout: false }, true, /^$/],
  ])('%j on a terminal: %s', async (more, isTTY, expected) => {
    expect(await shownBy(more, isTTY, (log) => log.info({}, 'told'))).toMatch(expected)
  })

  test('a reader who does not read costs bounded memory', async () => {
    const stream = new PassThrough({ highWaterMark: 1 })
    const { log } = await openLog(options({ enable: false, stdout: true }), stream)
    for (let index = 0; index < 5000; index += 1) log.info({ text: 'x'.repeat(1000) }, 'told')
    expect(stream.writableLength + stream.readableLength).toBeLessThan(1.1 * 2 ** 20)
  })
})

describe('the file', () => {
  test('is a dated one behind a link', async () => {
    const { close } = await openLog(options())
    await close()
    expect(readdirSync(directory).sort()).toEqual([
      expect.stringMatching(/^querytap\.\d{8}\.1\.log$/),
      'querytap.log',
    ])
    expect(readlinkSync(join(directory, 'querytap.log'))).toMatch(/^querytap\.\d{8}\.1\.log$/)
  })

  test('is one file without rotation, and goes on after a restart', async () => {
    for (const msg of ['first', 'second']) {
      const { log, close } = await openLog(options({ rotateEnable: false }))
      log.info({}, msg)
      await close()
    }
    expect(readdirSync(directory)).toEqual(['querytap.log'])
    expect(lstatSync(join(directory, 'querytap.log')).isFile()).toBe(true)
    expect(linesOf(current()).map(({ msg }) => msg)).toEqual(['first', 'second'])
  })

  test('goes on in the same one after a restart within the period', async () => {
    for (const msg of ['first', 'second']) {
      const { log, close } = await openLog(options())
      log.info({}, msg)
      await close()
    }
    expect(linesOf(current()).map(({ msg }) => msg)).toEqual(['first', 'second'])
  })

  test('a plain file in the place of the link is kept', async () => {
    writeFileSync(join(directory, 'querytap.log'), 'old\n')
    const { close } = await openLog(options())
    await close()
    const kept = readdirSync(directory).find((name) => /^querytap\.log\.\d{8}T\d{6}$/.test(name))
    expect(readFileSync(join(directory, String(kept)), 'utf8')).toBe('old\n')
  })

  test('makes its directory', async () => {
    const { close } = await openLog(options({ dir: join(directory, 'a', 'b') }))
    await close()
    expect(existsSync(join(directory, 'a', 'b', 'querytap.log'))).toBe(true)
  })

  test('is opened anew when it was moved away', async () => {
    const { log, reopen, close } = await openLog(options({ rotateEnable: false }))
    const path = join(directory, 'querytap.log')
    log.info({}, 'before')
    renameSync(path, `${path}.moved`)
    log.info({}, 'moved')
    reopen()
    log.info({}, 'after')
    expect(linesOf(current()).map(({ msg }) => msg)).toEqual(['after'])
    expect(linesOf(readFileSync(`${path}.moved`, 'utf8')).map(({ msg }) => msg)).toEqual([
      'before',
      'moved',
    ])
    await close()
  })

  test('where it cannot be: the fault of the environment', async () => {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    const error: unknown = await openLog(options({ dir: join(file, 'log') })).catch(
      (caught: unknown) => caught,
    )
    expect(error).toBeInstanceOf(ConfigError)
    expect(error).toMatchObject({
      code: 'environment',
      message: `log.dir: ${file}/log: cannot be written: ENOTDIR`,
    })
  })

  test('a full disk costs bounded memory and one line on the standard error, and does not keep from ending', async () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const { log, close } = await openLog(options({ dir: '/dev', fileName: 'full', rotateEnable: false }))
    const before = process.memoryUsage().heapUsed
    for (let index = 0; index < 100_000; index += 1) log.info({ text: 'x'.repeat(1000) }, 'told')
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(60 * 2 ** 20)
    await close()
    const lines = said.mock.calls.map(([text]) => String(text))
    said.mockRestore()
    expect(lines).toEqual([
      expect.stringMatching(/^querytap: the operational log cannot be written: ENOSPC[^\n]*\n$/),
    ])
  })

  test('where no directory can be made: the fault of the environment too', async () => {
    await expect(openLog(options({ dir: '/proc/querytap/log' }))).rejects.toMatchObject({
      code: 'environment',
      message: 'log.dir: /proc/querytap/log: cannot be written: ENOENT',
    })
  })

  test('what is logged after the end is no error', async () => {
    const { log, close } = await openLog(options())
    await close()
    log.info({}, 'late')
    await close()
  })
})

describe('rotation', () => {
  test('runs the hook without a shell, with the previous and the current file, and keeps the count', async () => {
    const hook = join(directory, 'a hook; touch harm')
    writeFileSync(
      hook,
      '#!/bin/sh\nprintf "%s\\n%s\\n" "$1" "$2" > "$0.tmp" && mv "$0.tmp" "$0.$(basename "$2").out"\n',
    )
    chmodSync(hook, 0o700)
    const { log, close } = await openLog(
      options({ rotationTime: 'secondly', rotationCount: 2, rotationHook: hook }),
    )
    log.info({}, 'before')
    await vi.waitFor(
      () => expect(readdirSync(directory).filter((name) => name.endsWith('.out'))).toHaveLength(3),
      {
        timeout: 10_000,
        interval: 50,
      },
    )
    log.info({}, 'after')
    expect(linesOf(current()).map(({ msg }) => msg)).toEqual(['after'])
    await close()
    const names = readdirSync(directory)
    const outs = names.filter((name) => name.endsWith('.out')).sort()
    const pairs = outs.map((name) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n'))
    for (const [index, [previous, now]] of pairs.entries()) {
      expect(previous).toMatch(/\/querytap\.\d{14}\.1\.log$/)
      expect(now).toMatch(/\/querytap\.\d{14}\.1\.log$/)
      if (index > 0) expect(previous).toBe(pairs[index - 1]?.[1])
    }
    expect(names.filter((name) => /^querytap\.\d{14}\.1\.log$/.test(name)).length).toBeLessThanOrEqual(3)
    expect(names).not.toContain('harm')
  }, 20_000)
})

describe('throttled', () => {
  const recorder = (): { readonly log: Log; readonly lines: unknown[] } => {
    const lines: unknown[] = []
    const take = (level: string) => (fields: LogFields, msg: string) => lines.push([level, msg, fields])
    const log: Log = {
      ...silentLog,
      error: take('error'),
      warn: take('warn'),
      info: take('info'),
      child: () => log,
    }
    return { log, lines }
  }

  test('equal errors pass once in the interval, and the next tells how many were held back', () => {
    let now = 0
    const { log, lines } = recorder()
    const quiet = throttled(log, { intervalMs: 1000, now: () => now })
    for (now = 0; now < 2500; now += 500) quiet.error({ err: new Error('EIO') }, 'write failed')
    quiet.error({ err: new Error('ENOSPC') }, 'write failed')
    quiet.warn({}, 'other')
    quiet.child({}).warn({}, 'other')
    quiet.info({}, 'told')
    quiet.info({}, 'told')
    expect(lines).toEqual([
      ['error', 'write failed', { err: new Error('EIO') }],
      ['error', 'write failed', { err: new Error('EIO'), repeated: 1 }],
      ['error', 'write failed', { err: new Error('EIO'), repeated: 1 }],
      ['error', 'write failed', { err: new Error('ENOSPC') }],
      ['warn', 'other', {}],
      ['info', 'told', {}],
      ['info', 'told', {}],
    ])
  })
})

test('the silent log says nothing and has children', async () => {
  const stream = new PassThrough()
  silentLog.child({}).error({}, 'x')
  stream.end()
  await once(stream.resume(), 'end')
  expect(silentLog.child({})).toBe(silentLog)
})

test('while its disk hangs lines wait, and come in order', async () => {
  const { log, hold, close } = await openLog(options())
  log.info({}, 'before')
  hold(true)
  log.info({}, 'meanwhile')
  hold(true)
  expect(linesOf(current()).map(({ msg }) => msg)).toEqual(['before'])
  hold(false)
  log.info({}, 'after')
  await close()
  expect(linesOf(current()).map(({ msg }) => msg)).toEqual(['before', 'meanwhile', 'after'])
})

test('a disk that hangs does not keep the log from being closed', async () => {
  const { log, hold, close } = await openLog(options())
  log.info({}, 'before')
  hold(true)
  log.info({}, 'never written')
  await close()
  expect(linesOf(current()).map(({ msg }) => msg)).toEqual(['before'])
})
