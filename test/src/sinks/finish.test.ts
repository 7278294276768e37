import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as immediate } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compressFile } from '../../../src/sinks/compress.ts'
import type { FileSink } from '../../../src/sinks/file.ts'
import { Finisher } from '../../../src/sinks/finish.ts'
import { runHook } from '../../../src/sinks/hook.ts'
import { parseName } from '../../../src/sinks/names.ts'
import { Owner, ownIdentity } from '../../../src/sinks/owner.ts'
import { expiredFiles } from '../../../src/sinks/retention.ts'
import { LogDirectory, lineOf, textsOf } from '../../support/log-files.ts'
import { findingsOf, sealed, statement, verifyAll } from '../../support/sealed-log.ts'

let log: LogDirectory
beforeEach(() => {
  log = new LogDirectory()
})
afterEach(() => log.remove())

const never = new AbortController().signal

const rotate = (sink: FileSink, text: string): void => {
  sink.append(lineOf(text))
  sink.reopen()
}

/** A hook that notes its arguments in `calls` and ends with the code in `code`. */
const writeHook = (): {
  readonly path: string
  readonly calls: () => string[][]
  readonly fail: (code: number) => void
} => {
  const path = join(log.dir, 'hook.sh')
  const calls = join(log.dir, 'calls')
  const code = join(log.dir, 'code')
  writeFileSync(calls, '')
  writeFileSync(code, '0')
  writeFileSync(path, `#!/bin/sh\necho "$# $1 $2" >> '${calls}'\nexit $(cat '${code}')\n`)
  chmodSync(path, 0o755)
  const read = () => readFileSync(calls, 'utf8').split('\n').slice(0, -1)
  return {
    path,
    calls: () => read().map((line) => line.replaceAll(`${log.dir}/`, '').split(' ')),
    fail: (value) => writeFileSync(code, String(value)),
  }
}

/** What a killed process leaves: its owner's file with a pid that is gone. */
const leaveDeadOwner = async (open: string[], pending: string[]): Promise<void> => {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  const identity = { ...ownIdentity(), pid: child.pid }
  const holdings = { identity, open, pending, closed: false }
  writeFileSync(join(log.dir, `.dump.log.${child.pid}-0.owner`), JSON.stringify(holdings))
}

describe('gzip of finished files', () => {
  it('replaces the file, keeps mode and time, and never touches the current one', async () => {
    const sink = log.open({ compress: 'gzip', fileMode: 0o640 })
    rotate(sink, 'a')
    await sink.idle()
    sink.append(lineOf('b'))
    sink.flush()
    expect(log.names()).toEqual(['dump.log', 'dump.log.2024050109.1', 'dump.log.2024050109.gz'])
    expect(statSync(join(log.dir, 'dump.log.2024050109.gz')).mode & 0o7777).toBe(0o640)
    expect(textsOf(log.all())).toEqual(['a', 'b'])
  })

  it('keeps every record over many rotations', async () => {
    const sink = log.open({ compress: 'gzip', rotationSize: 5000 })
    for (let i = 0; i < 1000; i++) sink.append(lineOf(`${i}`))
    sink.flush()
    await sink.idle()
    expect(log.names().filter((name) => name.endsWith('.gz')).length).toBeGreaterThan(5)
    expect(textsOf(log.all())).toEqual(Array.from({ length: 1000 }, (_, i) => `${i}`))
  })

  it('finishes what a crash left: half a .gz, or the plain file beside the whole .gz', async () => {
    const names = ['dump.log.2024050107', 'dump.log.2024050108', 'dump.log.2024050108.1']
    for (const name of names) writeFileSync(join(log.dir, name), `{"name":"${name}"}\n`)
    const [half, both] = names as [string, string, string]
    writeFileSync(join(log.dir, `.${half}.gz.tmp`), 'half')
    writeFileSync(join(log.dir, `${both}.gz`), gzipSync(`{"name":"${both}"}\n`))
    for (const name of [both, `${both}.gz`]) utimesSync(join(log.dir, name), 1000, 1000)
    await leaveDeadOwner([names[2] as string], [half, both])
    await log.open({ compress: 'gzip' }).idle()
    expect(log.names()).toEqual(
      ['dump.log', 'dump.log.2024050109', ...names.map((name) => `${name}.gz`)].sort(),
    )
    expect(names.map((name) => log.records(`${name}.gz`)[0]?.name)).toEqual(names)
    expect(log.hidden()).toHaveLength(1)
  })

  it('leaves its own file alone where a killed process had named it and not yet made it', async () => {
    await leaveDeadOwner(['dump.log.2024050109'], [])
    const sink = log.open({ compress: 'gzip', ...sealed() })
    sink.append(statement('a'))
    await sink.idle()
    sink.append(statement('b'))
    sink.reopen()
    await sink.idle()
    await sink.close()
    const names = ['dump.log', 'dump.log.2024050109.1', 'dump.log.2024050109.gz']
    expect([log.names(), findingsOf(verifyAll(log))]).toEqual([names, []])
    expect(log.read('dump.log.2024050109.gz')).toContain('"b"')
  })

  it('leaves that of another living process alone, and what it says of it', async () => {
    const [mine, other] = ['dump.log.2024050109.1', 'dump.log.2024050109']
    const living = log.open({ compress: 'gzip', ...sealed() })
    living.append(statement('a'))
    living.flush()
    await living.idle()
    await leaveDeadOwner([other, 'dump.log.2024050109.2'], [])
    const sink = log.open({ compress: 'gzip', ...sealed() })
    sink.append(statement('b'))
    await sink.idle()
    expect([sink.path, living.path]).toEqual([mine, other].map((name) => join(log.dir, name)))
    expect(log.names()).toEqual(['dump.log', other, mine])
    expect(log.read(mine)).not.toContain('prev_file')
    expect(log.hidden()).toHaveLength(2)
  })

  it('is waited for at the end, though looking at what is left made more files finish', async () => {
    const name = 'dump.log.2024050108'
    writeFileSync(join(log.dir, name), 'x'.repeat(1 << 20))
    await leaveDeadOwner([name], [])
    let kick = (): void => undefined
    const finisher = new Finisher({
      ...{ dir: log.dir, fileName: 'dump.log', compress: 'gzip', hook: '', hookTimeoutMs: 0 },
      retention: { count: 0, maxAgeMs: 0, maxTotal: 0 },
      owner: new Owner(log.dir, 'dump.log'),
      currentPath: () => '',
      nowMs: () => 0,
      onLeft: () => {
        kick()
        return true
      },
      onDelete: () => undefined,
      onProblem: (error) => log.troubles.push(error),
    })
    kick = () => finisher.kick()
    finisher.kick()
    await immediate()
    await finisher.close()
    expect([log.names(), log.troubles]).toEqual([[`${name}.gz`], []])
  })

  it('does not overwrite a .gz that is another file', async () => {
    const path = join(log.dir, 'dump.log.20240501')
    writeFileSync(path, 'mine')
    writeFileSync(`${path}.gz`, 'foreign')
    utimesSync(`${path}.gz`, 1000, 1000)
    await expect(compressFile(path, never)).rejects.toThrow('exists and is another file')
    expect([readFileSync(path, 'utf8'), readFileSync(`${path}.gz`, 'utf8')]).toEqual(['mine', 'foreign'])
  })

  it('leaves the plain file alone when it is stopped', async () => {
    const path = join(log.dir, 'dump.log.20240501')
    writeFileSync(path, 'mine')
    await expect(compressFile(path, AbortSignal.abort())).rejects.toThrow()
    expect(log.names()).toEqual(['dump.log.20240501'])
    expect(log.hidden()).toEqual([])
  })
})

describe('the rotation hook', () => {
  it('gets the finished and the current file, in order, after compression', async () => {
    const hook = writeHook()
    const sink = log.open({ compress: 'gzip', rotationHook: hook.path })
    for (const text of ['a', 'b', 'c']) rotate(sink, text)
    await sink.idle()
    expect(hook.calls()).toEqual([
      ['2', 'dump.log.2024050109.gz', 'dump.log.2024050109.3'],
      ['2', 'dump.log.2024050109.1.gz', 'dump.log.2024050109.3'],
      ['2', 'dump.log.2024050109.2.gz', 'dump.log.2024050109.3'],
    ])
  })

  it('is tried again at the next rotation, and its file is not deleted before it succeeds', async () => {
    const hook = writeHook()
    const sink = log.open({ rotationHook: hook.path, retention: { count: 1, maxAgeMs: 0, maxTotal: 0 } })
    hook.fail(3)
    for (const text of ['a', 'b', 'c']) rotate(sink, text)
    await sink.idle()
    expect(log.troubles.map(({ code, message }) => `${code} ${message}`)[0]).toMatch(
      /^rotate .* exited with 3$/,
    )
    expect(textsOf(log.all())).toEqual(['a', 'b', 'c'])
    hook.fail(0)
    rotate(sink, 'd')
    await sink.idle()
    sink.flush()
    expect(
      hook
        .calls()
        .slice(-4)
        .map(([, file]) => file),
    ).toEqual([
      'dump.log.2024050109',
      'dump.log.2024050109.1',
      'dump.log.2024050109.2',
      'dump.log.2024050109.3',
    ])
    expect(textsOf(log.all())).toEqual(['d'])
  })

  it('runs at start for files that finished while nobody was there, once', async () => {
    const hook = writeHook()
    const first = log.open({ rotationHook: hook.path })
    first.append(lineOf('a'))
    await first.close()
    expect(hook.calls()).toEqual([])
    const second = log.open({ rotationHook: hook.path })
    await second.idle()
    await second.close()
    const third = log.open({ rotationHook: hook.path })
    await third.idle()
    expect(hook.calls().map(([, file]) => file)).toEqual(['dump.log.2024050109', 'dump.log.2024050109.1'])
  })

  it('does not run for files that another process still writes, nor for old ones of other programs', async () => {
    const hook = writeHook()
    writeFileSync(join(log.dir, 'dump.log.2020010100'), 'tcpdp\n')
    log.open({ rotationHook: hook.path })
    await log.open({ rotationHook: hook.path }).idle()
    expect(hook.calls()).toEqual([])
  })

  it('is killed with all it started when it takes too long', async () => {
    const hook = join(log.dir, 'slow.sh')
    const pidFile = join(log.dir, 'pid')
    writeFileSync(hook, `#!/bin/sh\nsleep 600 &\necho $! > '${pidFile}'\nwait\n`)
    chmodSync(hook, 0o755)
    const options = { program: hook, timeoutMs: 2000, signal: never }
    await expect(runHook(options, 'a', 'b')).rejects.toThrow('took longer than 2000 ms')
    const child = Number(readFileSync(pidFile, 'utf8'))
    // The orphan may be a zombie for as long as nobody waits for it: dead is what it has to be.
    await expect.poll(() => stateOf(child)).toMatch(/^[ZX-]$/)
  })

  it('may take as long as it likes where no time is set', async () => {
    const hook = join(log.dir, 'patient.sh')
    writeFileSync(hook, '#!/bin/sh\nsleep 0.1\n')
    chmodSync(hook, 0o755)
    await expect(runHook({ program: hook, timeoutMs: 0, signal: never }, 'a', 'b')).resolves.toBeUndefined()
  })

  it('is told as a failure when it is not there', async () => {
    const options = { program: join(log.dir, 'none'), timeoutMs: 300, signal: never }
    await expect(runHook(options, 'a', 'b')).rejects.toThrow('ENOENT')
  })
})

/** The state letter of /proc, `-` for a process that is gone. */
const stateOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).charAt(0)
  } catch {
    return '-'
  }
}

describe('retention', () => {
  const file = (name: string, bytes: number, mtimeMs = 0) => {
    const parsed = parseName('d', name)
    if (parsed === undefined) throw new Error(`${name} is no log file`)
    return { name: parsed, bytes, mtimeMs }
  }
  const files = [file('d.20240503', 10, 300), file('d.20240501', 10, 100), file('d.20240502.gz', 10, 200)]
  const namesOf = (limits: Partial<Parameters<typeof expiredFiles>[1]>, kept = 0) =>
    expiredFiles(files, { count: 0, maxAgeMs: 0, maxTotal: 0, ...limits }, 350, kept).map(
      (expired) => `${expired.file.name.file} ${expired.reason}`,
    )

  it.each<[string, Parameters<typeof namesOf>, string[]]>([
    ['nothing by default', [{}], []],
    ['the oldest over the count', [{ count: 2 }], ['d.20240501 count']],
    ['those over their age', [{ maxAgeMs: 150 }], ['d.20240501 age']],
    ['the oldest over the total', [{ maxTotal: 20 }], ['d.20240501 total']],
    [
      'the oldest over the total, the current file counted',
      [{ maxTotal: 20 }, 5],
      ['d.20240501 total', 'd.20240502.gz total'],
    ],
    ['as few as all limits need', [{ count: 2, maxTotal: 20, maxAgeMs: 200 }], ['d.20240501 count']],
  ])('deletes %s', (_, args, expected) => {
    expect(namesOf(...args)).toEqual(expected)
  })

  it('counts files of earlier runs, spares those of living writers, and records what it deleted', async () => {
    for (const name of [
      'dump.log.2024050105',
      'dump.log.2024050106.gz',
      'dump.log.2024050107',
      'dump.log.txt',
    ]) {
      writeFileSync(join(log.dir, name), '12345')
    }
    const other = log.open()
    const sink = log.open({ retention: { count: 1, maxAgeMs: 0, maxTotal: 0 } })
    await sink.idle()
    sink.flush()
    expect(log.names()).toEqual([
      'dump.log',
      'dump.log.2024050107',
      'dump.log.2024050109',
      'dump.log.2024050109.1',
      'dump.log.txt',
    ])
    expect(existsSync(other.path)).toBe(true)
    expect(
      log.records().map(({ event, file, bytes, delete_reason }) => [event, file, bytes, delete_reason]),
    ).toEqual([
      ['audit.delete', 'dump.log.2024050105', 5, 'count'],
      ['audit.delete', 'dump.log.2024050106.gz', 5, 'count'],
    ])
  })
})
