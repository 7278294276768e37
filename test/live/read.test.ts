/** What passed through a live proxy was captured as well: both ways give the same audit. */
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodePostgres } from '../support/drivers.ts'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { run, runOk } from '../support/programs.ts'
import { CLI, type Querytap, startQuerytap } from '../support/querytap.ts'
import { byClient, parseLines } from '../support/read-back.ts'
import { type AuditRecord, readRecords } from '../support/records.ts'
import { canCapture, startTcpdump } from '../support/tcpdump.ts'

const SCRIPT = `
  create table item(id int primary key, name text);
  insert into item select i, 'name ' || i from generate_series(1, 300) i;
  begin; update item set name = 'x' where id < 10; savepoint s; select 1/0;
  rollback to s; commit;
  select * from item; select count(*) from item \\; select 'two in one message';
  copy item to stdout;
  copy item from stdin;
1000\tcopied
1001\tcopied too
\\.
  select * from no_such_table;
  do $$ begin raise notice 'hello'; end $$;
  prepare p as select $1::int; execute p(7); deallocate p;
`

const readFlags = (port: number): string[] => ['-d', 'pg', '-t', String(port), '-f', 'json']

if (await canCapture()) {
  await describeLive('read', ['postgres'], () => {
    let postgres: Postgres
    let proxy: Querytap
    let directory: string
    let capture: string
    let proxied: AuditRecord[]

    const workload = async (): Promise<void> => {
      const target = { host: '127.0.0.1', port: proxy.port, user: 'postgres', database: 'postgres' }
      const url = `host=127.0.0.1 port=${proxy.port} user=postgres dbname=postgres`
      await run(postgres.program('psql'), ['-X', '-q', url], { input: SCRIPT })
      await nodePostgres(target)
      const bench = ['-h', '127.0.0.1', '-p', String(proxy.port), '-U', 'postgres', '-n']
      await runOk(postgres.program('pgbench'), [...bench, '-i', '-q', 'postgres'])
      for (const protocol of ['simple', 'extended', 'prepared'])
        await runOk(postgres.program('pgbench'), [
          ...bench,
          '-c',
          '4',
          '-t',
          '40',
          '-M',
          protocol,
          'postgres',
        ])
    }

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'querytap-read-'))
      capture = join(directory, 'lo.pcap')
      postgres = await startPostgres()
      proxy = await startQuerytap({ remote: postgres.port })
      const tcpdump = await startTcpdump(capture, proxy.port)
      await workload()
      await tcpdump.stop()
      await proxy.stop()
      proxied = proxy.records()
    })
    afterAll(async () => {
      await proxy.stop()
      proxy.remove()
      await postgres.stop()
      rmSync(directory, { recursive: true, force: true })
    })

    const read = (...args: string[]) => run(process.execPath, [CLI, 'read', ...args], { cwd: directory })

    test('finds in the capture what the proxy found in its sockets', async () => {
      const { code, stdout, stderr } = await read(capture, ...readFlags(proxy.port))
      expect([code, stderr]).toEqual([0, ''])
      const captured = byClient(parseLines(stdout))
      const expected = byClient(proxied)
      expect([...captured.keys()].sort()).toEqual([...expected.keys()].sort())
      for (const [client, records] of expected) {
        for (const [index, record] of records.entries())
          expect(captured.get(client)?.[index]).toEqual(record)
        expect(captured.get(client)).toHaveLength(records.length)
      }
      expect(proxied.filter(({ event }) => event === 'statement').length).toBeGreaterThan(3000)
    })

    test('takes it gzipped, and from a pipe, with the same ids and times', async () => {
      const zipped = `${capture}.gz`
      await pipeline(createReadStream(capture), createGzip(), createWriteStream(zipped))
      const plain = await read(capture, ...readFlags(proxy.port))
      expect((await read(zipped, ...readFlags(proxy.port))).stdout).toBe(plain.stdout)
      const input = readFileSync(capture)
      const piped = await run(process.execPath, [CLI, 'read', ...readFlags(proxy.port)], {
        cwd: directory,
        input,
      })
      expect(piped.stdout).toBe(plain.stdout)
    })

    test('writes the audit log with --log, and nothing else', async () => {
      const log = mkdtempSync(join(directory, 'log-'))
      const dirs = ['--log', '--dump-log-dir', log, '--log-dir', log]
      const { code, stdout } = await read(capture, ...dirs, '-d', 'pg', '-t', String(proxy.port))
      expect([code, stdout]).toEqual([0, ''])
      const records = readRecords(log)
      expect(records[0]?.event).toBe('audit.start')
      expect(records.at(-1)?.event).toBe('audit.stop')
      expect(byClient(records)).toEqual(byClient(proxied))
    })

    test('a damaged file: everything before the damage, then exit code 1', async () => {
      const cut = join(directory, 'cut.pcap')
      const bytes = readFileSync(capture)
      writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length / 2)))
      const { code, stdout, stderr } = await read(cut, ...readFlags(proxy.port))
      expect(code).toBe(1)
      expect(stderr).toContain('the file ends within a record')
      expect(parseLines(stdout).filter(({ event }) => event === 'statement').length).toBeGreaterThan(50)
    })

    test('loses nothing to a slow reader', async () => {
      const whole = (await read(capture, ...readFlags(proxy.port))).stdout
      const slowly = ['-c', '"$0" "$@" | (sleep 2; cat)', process.execPath]
      const { stdout } = await run('sh', [...slowly, CLI, 'read', capture, ...readFlags(proxy.port)])
      expect(stdout).toBe(whole)
    })

    test('ends without a word when its reader has gone', async () => {
      const { code, stdout, stderr } = await run('sh', [
        '-c',
        `"$0" "$@" | head -n 1; exit "\${PIPESTATUS:-0}"`,
        process.execPath,
        ...[CLI, 'read', capture, ...readFlags(proxy.port)],
      ])
      expect([code, stderr]).toEqual([0, ''])
      expect(parseLines(stdout)).toHaveLength(1)
    })

    describe('wrong use is exit code 2', () => {
      test.each<[string, string[], RegExp]>([
        ['no such file', ['missing.pcap', '-t', '5432'], /missing\.pcap: no such file/],
        ['a directory', ['.', '-t', '5432'], /is a directory/],
        ['no dialect', ['lo.pcap', '-t', '1'], /the dialect is wanted/],
        ['no port', ['lo.pcap', '-d', 'hex'], /the target is wanted/],
        ['no such form', ['lo.pcap', '-t', '5432', '-f', 'xml'], /--format/],
        ['no capture', [CLI, '-t', '5432'], /neither pcap nor pcapng/],
      ])('%s', async (_, args, words) => {
        const { code, stdout, stderr } = await read(...args)
        expect([code, stdout]).toEqual([2, ''])
        expect(stderr).toMatch(words)
      })
    })

    test('says so when the target is not in the capture', async () => {
      const { code, stderr } = await read(capture, '-t', '5432')
      expect(code).toBe(0)
      expect(stderr).toMatch(/no connection to 5432 in [\d,]+ packets/)
    })
  })
} else test.skip('read: packets cannot be captured here', () => {})
