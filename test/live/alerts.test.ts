/** What the running program tells `alertHook` while the log's file system is full. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort, until } from '../support/programs.ts'
import { startQuerytap } from '../support/querytap.ts'
import { readLines } from '../support/records.ts'

/** As many connections as fill the smallest buffer several times over. */
const CONNECTIONS = 300

let disk: string
let place: string
let isMounted = false
let server: Server
let port: number

beforeAll(async () => {
  disk = mkdtempSync(join(tmpdir(), 'querytap-disk-'))
  place = mkdtempSync(join(tmpdir(), 'querytap-alerts-'))
  isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]).status === 0
  port = await freePort()
  server = createServer((socket) => socket.end())
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
})

afterAll(() => {
  if (isMounted) spawnSync('umount', [disk])
  for (const directory of [disk, place]) rmSync(directory, { recursive: true, force: true })
  server.close()
})

const visit = (to: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port: to, host: '127.0.0.1' })
    socket.on('error', reject).on('close', () => resolve())
    socket.resume()
  })

test('a full disk is told, what is lost, and that it is over', async (context) => {
  if (!isMounted) context.skip('mounting a tmpfs is not permitted here')
  const [out, program, ballast] = [join(place, 'out'), join(place, 'hook.sh'), join(disk, 'ballast')]
  writeFileSync(program, `#!/bin/sh\necho "$1: $2" >> '${out}'\n`, { mode: 0o755 })
  const told = (): string[] => (existsSync(out) ? readFileSync(out, 'utf8').split('\n').slice(0, -1) : [])
  const kinds = (): string[] => [...new Set(told().map((line) => line.split(':')[0] as string))].sort()
  const dumpLog = { dir: disk, guarantee: 'observe', bufferBytes: 65_536, spaceLeft: '4MiB' }
  const tap = await startQuerytap({
    remote: port,
    dumper: 'conn',
    config: { dumpLog: { ...dumpLog, alertHook: program } },
  })
  try {
    await visit(tap.port)
    expect(told()).toEqual([])
    spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k'], { stdio: 'ignore' })
    for (let n = 0; n < CONNECTIONS; n++) await visit(tap.port)
    await until('all three alerts', () => (kinds().length === 3 ? true : undefined))
    rmSync(ballast)
    await until('the log', () => readLines(disk).find(({ event }) => event === 'audit.loss'))
    expect(await tap.stop()).toBe(0)
    expect(kinds()).toEqual(['block', 'loss', 'space'])
    const [blocks, losses] = ['block', 'loss'].map((kind) =>
      told().filter((line) => line.startsWith(`${kind}: `)),
    )
    expect(blocks?.[0]).toMatch(/^block: the audit log cannot be written \(file\): .*ENOSPC/)
    expect(blocks?.at(-1)).toMatch(/^block: over after \d+ s: the audit log is written again \(file\)/)
    const lost = readLines(disk).reduce((sum, { lost_records }) => sum + Number(lost_records ?? 0), 0)
    expect(losses?.at(-1)).toContain(`loss: ${lost} records were lost (file)`)
    expect(tap.log()).toContain('little space is left for the audit log')
  } finally {
    rmSync(ballast, { force: true })
    await tap.stop()
    tap.remove()
  }
})
