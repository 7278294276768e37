/** The tests of a log that cannot be written, the same for each dialect. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import { accountOf, accountOfLines, CrashStage, journalsIn, KEPT } from './crash.ts'
import { codeOf, type FaultsServer, Writers } from './faults-clients.ts'
import { fill, forbidWriting, mountSmall, WHY_NO_MOUNT } from './faults-log.ts'
import { startUnread } from './faults-pipe.ts'
import { until } from './programs.ts'
import { type AuditRecord, readLines } from './records.ts'

/** How long nothing must be written for it to count as stopped. */
const STILL_MS = 500
/** The log's writer looks so often whether its file still has its place; and some time beyond. */
const LOOK_MS = 1300
const SOON_MS = 30_000
/** far below blockTimeout where it is not set, far above what a busy machine takes */
const LONG_MS = 10_000
/** How long a hook may take that hangs. */
const HOOK_MS = 2500
/** what the operational log says of it */
const BLOCKED = /"msg":"the audit log cannot be written"/
const OVER = /"msg":"the audit log is written again"/
const HOOK_KILLED = /hook .* took longer than/

type Settings = Readonly<Record<string, unknown>>

const openStage = async (server: FaultsServer, dumpLog: Settings): Promise<CrashStage> => {
  const { remote, dumper } = server
  const stage = await CrashStage.open({ remote, dumper, dumpLog: { guarantee: 'written', ...dumpLog } })
  onTestFinished(() => stage.remove())
  return stage
}

const startWriters = async (server: FaultsServer, stage: CrashStage): Promise<Writers> => {
  const writers = await Writers.start(server, stage.port)
  await more(writers)
  return writers
}

/** Waits until the writers have written on. */
const more = async (writers: Writers): Promise<void> => {
  const before = writers.written.size
  await until('more rows', () => writers.written.size > before + 20 || writers.errors.length > 0, SOON_MS)
  expect(writers.errors).toEqual([])
}

/** Waits until the proxy says that the log is blocked. */
const blocked = async (stage: CrashStage): Promise<void> => {
  await until('a blocked log', () => told(stage, BLOCKED) > 0, SOON_MS)
}

/** Waits until the log is blocked and the writers write no more. */
const standstill = async (stage: CrashStage, writers: Writers): Promise<void> => {
  await blocked(stage)
  let [seen, since] = [-1, performance.now()]
  await until(
    'a standstill',
    () => {
      if (writers.written.size !== seen) [seen, since] = [writers.written.size, performance.now()]
      return performance.now() - since > STILL_MS
    },
    SOON_MS,
  )
  expect(writers.errors).toEqual([])
}

const count = async (server: FaultsServer): Promise<number> =>
  Number((await server.direct('SELECT count(*) FROM faults'))[0])

const rowsOf = (server: FaultsServer): Promise<readonly string[]> => server.direct('SELECT n FROM faults')

/** Lines of the operational log that say so. */
const told = (stage: CrashStage, what: RegExp): number =>
  stage
    .operationalLog()
    .split('\n')
    .filter((line) => what.test(line)).length

/** Every row that was written since is in the log, once, and the log is whole. */
const expectKept = async (
  server: FaultsServer,
  stage: CrashStage,
  before: ReadonlySet<string>,
  logs: string | readonly string[] = stage.logs,
): Promise<void> => {
  const rows = (await rowsOf(server)).filter((row) => !before.has(row))
  expect(rows.length).toBeGreaterThan(20)
  expect(accountOf(logs, rows)).toMatchObject(KEPT)
}

const lostIn = (logs: string): number =>
  readLines(logs).reduce((sum, record) => sum + Number(record.lost_records ?? 0), 0)

export const testFullDisk = (serverOf: () => FaultsServer): void => {
  test('block: on a full disk statements wait, and go on when there is room', async (context) => {
    const server = serverOf()
    const before = new Set(await rowsOf(server))
    const stage = await openStage(server, {})
    if (!mountSmall(stage.logs, 8)) return context.skip(WHY_NO_MOUNT)
    await stage.start()
    const [streaming, sleeping] = [await server.connect(stage.port), await server.connect(stage.port)]
    const writers = await startWriters(server, stage)
    let streamed = 0
    const stream = streaming.stream(server.slowRows(60), () => streamed++)
    const slept = sleeping.cancel ? sleeping.run(server.sleep).catch(codeOf) : undefined
    const free = fill(stage.logs)
    await blocked(stage)
    const flowed = streamed
    await standstill(stage, writers)
    const rows = await count(server)
    await expect(server.connect(stage.port).catch(codeOf)).resolves.toBe(server.refused)
    await sleeping.cancel?.()
    if (slept) expect(await slept).toBe(server.cancelled)
    await until('rows that still flow', () => streamed > flowed)
    expect(await count(server)).toBe(rows)
    expect(told(stage, BLOCKED)).toBe(1)
    expect(told(stage, OVER)).toBe(0)
    free()
    await more(writers)
    await writers.stop()
    await stream
    expect(streamed).toBe(60)
    await Promise.all([streaming.close(), sleeping.close()])
    await stage.end()
    expect([told(stage, BLOCKED), told(stage, OVER)]).toEqual([1, 1])
    await expectKept(server, stage, before)
    expect(lostIn(stage.logs)).toBe(0)
    expect(await stage.findings()).toEqual([])
    return undefined
  })

  test('block: in a transaction the session ends after blockTimeout, and its locks with it', async (context) => {
    const server = serverOf()
    const stage = await openStage(server, { blockTimeout: '1s' })
    if (!mountSmall(stage.logs, 8)) return context.skip(WHY_NO_MOUNT)
    await stage.start()
    const session = await server.connect(stage.port)
    await session.run('BEGIN')
    await session.run('UPDATE locked SET v = v + 1 WHERE id = 1')
    const free = fill(stage.logs)
    // what fits into the file's last page is written still
    const begin = performance.now()
    let [failure, at] = ['', begin]
    for (let n = 0; at < begin + SOON_MS && failure === ''; n++) {
      at = performance.now()
      await session.run(`SELECT ${n}`).catch((error) => {
        failure = codeOf(error)
      })
    }
    const waited = performance.now() - at
    expect(failure).toBe(server.refused)
    await session.ended
    expect(waited).toBeGreaterThan(900)
    expect(waited).toBeLessThan(LONG_MS)
    await server.direct(`${server.impatient}; UPDATE locked SET v = v + 10 WHERE id = 1`)
    expect(await server.direct('SELECT v % 10 FROM locked')).toEqual(['0'])
    free()
    await until('a log that is written', () => told(stage, OVER) > 0, SOON_MS)
    await stage.end()
    expect(readLines(stage.logs).filter(({ end_reason }) => end_reason === 'log_blocked')).toHaveLength(1)
    expect(await stage.findings()).toEqual([])
    return undefined
  })

  test('continue: on a full disk nothing waits, and what is lost is counted', async (context) => {
    const server = serverOf()
    const stage = await openStage(server, { onFailure: 'continue', bufferBytes: '64KiB' })
    if (!mountSmall(stage.logs, 8)) return context.skip(WHY_NO_MOUNT)
    await stage.start()
    const run = async (): Promise<number> => {
      const session = await server.connect(stage.port)
      let longest = 0
      for (let n = 0; n < 600; n++) {
        const at = performance.now()
        await session.run(`SELECT ${n}`)
        longest = Math.max(longest, performance.now() - at)
      }
      await session.close()
      return longest
    }
    const ofSessions = () => readLines(stage.logs).filter(({ event }) => !event.startsWith('audit.'))
    await run()
    await until('the end of the first run', () => ofSessions().at(-1)?.event === 'session.end')
    const healthy = ofSessions().length
    const free = fill(stage.logs)
    // one that waited would do so for blockTimeout, which is 30 s
    expect(await run()).toBeLessThan(LONG_MS)
    free()
    await stage.end()
    expect(lostIn(stage.logs)).toBeGreaterThan(100)
    expect(ofSessions().length + lostIn(stage.logs)).toBe(2 * healthy)
    expect(await stage.findings()).toEqual([])
    return undefined
  })
}

const skipUnless = (context: TestContext, undo: (() => void) | undefined): (() => void) => {
  if (undo === undefined) context.skip(WHY_NO_MOUNT)
  return undo as () => void
}

export const testDirectories = (serverOf: () => FaultsServer): void => {
  test('block: a directory that is gone for a while', async () => {
    const server = serverOf()
    const stage = await openStage(server, {})
    await stage.start()
    const writers = await startWriters(server, stage)
    rmSync(stage.logs, { recursive: true })
    // so that it cannot just be made anew
    writeFileSync(stage.logs, '')
    const since = performance.now()
    await standstill(stage, writers)
    const rows = await count(server)
    await pause(STILL_MS)
    expect(await count(server)).toBe(rows)
    rmSync(stage.logs)
    await more(writers)
    await writers.stop()
    await stage.end()
    // what began before is in files that are gone
    const later = [...writers.written].filter(([, at]) => at > since).map(([row]) => row)
    const { missing, doubled, torn, journals } = accountOf(stage.logs, later)
    expect({ missing, doubled, torn, journals }).toMatchObject({
      missing: [],
      doubled: [],
      torn: [],
      journals: [],
    })
  })

  test('a directory that is replaced by another, and kill -9 after it', async () => {
    const server = serverOf()
    const before = new Set(await rowsOf(server))
    const stage = await openStage(server, {})
    const proxy = await stage.start()
    const writers = await startWriters(server, stage)
    const old = `${stage.logs}.old`
    renameSync(stage.logs, old)
    // the proxy may be faster
    mkdirSync(stage.logs, { recursive: true })
    await pause(LOOK_MS)
    await more(writers)
    const stopped = proxy.stop('SIGKILL')
    await writers.stop().catch(() => {})
    await stopped
    await stage.recover()
    // the killed one's own files in the old directory are nobody's any more
    const rows = (await rowsOf(server)).filter((row) => !before.has(row))
    expect(accountOf([old, stage.logs], rows)).toMatchObject({ ...KEPT, journals: expect.any(Array) })
  })

  test('a directory that is read-only when the next file is due', async (context) => {
    const server = serverOf()
    const before = new Set(await rowsOf(server))
    const stage = await openStage(server, { rotationTime: 'secondly' })
    await stage.start()
    const writers = await startWriters(server, stage)
    const permit = skipUnless(context, forbidWriting(stage.logs))
    await until('a file that cannot be made', () => told(stage, /EROFS/) > 0, SOON_MS)
    permit()
    await more(writers)
    await writers.stop()
    await stage.end()
    await expectKept(server, stage, before)
    expect(await stage.findings()).toEqual([])
  })

  test('a hook that hangs holds nobody up', async () => {
    const server = serverOf()
    const before = new Set(await rowsOf(server))
    const directory = (await openStage(server, {})).directory
    const hook = join(directory, 'hook.sh')
    writeFileSync(hook, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 })
    const settings = { rotationTime: 'secondly', rotationHook: hook, checkpointHook: hook, alertHook: hook }
    const stage = await openStage(server, { ...settings, hookTimeout: `${HOOK_MS}ms` })
    await stage.start()
    const writers = await startWriters(server, stage)
    await until('a hook that was killed', () => told(stage, HOOK_KILLED) > 0, SOON_MS)
    await more(writers)
    await writers.stop()
    await stage.end()
    expect(writers.longestMs).toBeLessThan(HOOK_MS)
    await expectKept(server, stage, before)
    expect(await stage.findings()).toEqual([])
  })
}

export const testUndecodable = (serverOf: () => FaultsServer): void => {
  test.for([
    ['refuse', 'is ended in words'],
    ['pass', 'goes on, and this is recorded'],
  ] as const)('onUndecodable = "%s": a session that cannot be decoded %s', async ([onUndecodable]) => {
    const server = serverOf()
    const stage = await openStage(server, onUndecodable === 'pass' ? { onUndecodable } : {})
    await stage.start()
    const session = await server.connect(stage.port, { compressed: true })
    await session.run('SELECT 1')
    session.garble()
    const failure = await session.ended
    await stage.end()
    const records = readLines(stage.logs)
    const gaps = records.filter(({ event }) => event === 'gap').map(({ gap_reason }) => gap_reason)
    expect(gaps).toEqual(['framing'])
    const reasons = records
      .filter(({ event }) => event === 'session.end')
      .map(({ end_reason }) => end_reason)
    if (server.complaints) expect(await server.complaints()).toBe(onUndecodable === 'refuse' ? 0 : 1)
    if (onUndecodable === 'refuse') {
      expect(failure).toBe(server.undecodable)
      expect(reasons).toEqual(['undecodable'])
    } else expect(reasons).not.toContain('undecodable')
  })
}

export const testPipe = (serverOf: () => FaultsServer): void => {
  test('block: a log on a pipe that nobody reads', async () => {
    const server = serverOf()
    const before = new Set(await rowsOf(server))
    const stage = await openStage(server, {})
    const proxy = await startUnread(stage, server, { bufferBytes: '64KiB' })
    const writers = await startWriters(server, stage)
    await standstill(stage, writers)
    const rows = await count(server)
    await pause(STILL_MS)
    expect(await count(server)).toBe(rows)
    proxy.read()
    await more(writers)
    await writers.stop()
    const lines = await proxy.end()
    const written = (await rowsOf(server)).filter((row) => !before.has(row))
    expect(accountOfLines(lines, written, journalsIn(stage.logs))).toMatchObject(KEPT)
  })

  test('continue: a log on a pipe that nobody reads', async () => {
    const server = serverOf()
    const stage = await openStage(server, {})
    const proxy = await startUnread(stage, server, { bufferBytes: '64KiB', onFailure: 'continue' })
    const session = await server.connect(stage.port)
    for (let n = 0; n < 1500; n++) await session.run(`SELECT ${n}`)
    proxy.read()
    await session.close()
    const records = (await proxy.end()).map((line) => JSON.parse(line) as AuditRecord)
    const lost = records.reduce((sum, record) => sum + Number(record.lost_records ?? 0), 0)
    const statements = records.filter(({ event }) => event === 'statement').length
    const last = records.find(({ event }) => event === 'session.end')
    expect(lost).toBeGreaterThan(100)
    expect(statements + lost).toBe(last?.statements)
  })
}
