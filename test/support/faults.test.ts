/** What finds out whether a log survives a power cut is held to what POSIX promises. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seededRandom } from './chunks.ts'
import { buildFaults, type Call, faultsEnv, readCalls, WHY_NO_FAULTS } from './faults.ts'
import { type Arrival, Disk } from './faults-disk.ts'
import { runOk } from './programs.ts'

const DIRECTORY = 1n
const FILE = 2n

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'querytap-faults-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const create = (name = 'log'): Call => ({ kind: 'create', inode: FILE, name })
const write = (text: string, offset = 0): Call => ({
  kind: 'write',
  inode: FILE,
  offset,
  bytes: Buffer.from(text),
})
const begun = (inode: bigint, sync: number): Call => ({ kind: 'syncBegun', inode, sync })
const done = (inode: bigint, sync: number): Call => ({ kind: 'syncDone', inode, sync })
const synced = (inode: bigint, sync = Number(inode)): readonly Call[] => [
  begun(inode, sync),
  done(inode, sync),
]

/** Names and texts of what is found after a power cut behind those calls. */
const left = (calls: readonly Call[], arrival: Arrival = 'nothing', seed = 1): Record<string, string> => {
  const disk = new Disk(DIRECTORY)
  for (const call of calls) disk.take(call)
  const directory = join(root, `${arrival}-${seed}`)
  mkdirSync(directory)
  disk.restore(directory, arrival, seededRandom(seed))
  const names = readdirSync(directory)
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name), 'utf8')]))
}

describe('a disk', () => {
  test.for([
    ['a name that was not synced', [create(), write('a'), ...synced(FILE)], {}],
    ['a name without its bytes', [create(), write('a'), ...synced(DIRECTORY)], { log: '' }],
    ['both', [create(), write('a'), ...synced(FILE), ...synced(DIRECTORY)], { log: 'a' }],
    [
      'what was written while a sync ran',
      [create(), ...synced(DIRECTORY), write('a'), begun(FILE, 7), write('b', 1), done(FILE, 7)],
      { log: 'a' },
    ],
    [
      'a sync that never returned',
      [create(), ...synced(DIRECTORY), write('a'), begun(FILE, 7)],
      { log: '' },
    ],
    [
      'a rename',
      [
        create('new'),
        write('a'),
        ...synced(FILE),
        ...synced(DIRECTORY),
        { kind: 'rename', from: 'new', to: 'log' },
      ],
      { new: 'a' },
    ],
    [
      'a file that was cut',
      [
        ...[
          create(),
          write('abc'),
          ...synced(DIRECTORY),
          { kind: 'truncate', inode: FILE, length: 1 } as const,
        ],
        ...synced(FILE),
      ],
      { log: 'a' },
    ],
  ] as const)('%s', ([, calls, expected]) => {
    expect(left(calls)).toEqual(expected)
  })

  test('everything may have arrived', () => {
    const calls: Call[] = [create('new'), write('a'), { kind: 'rename', from: 'new', to: 'log' }]
    expect(left(calls, 'everything')).toEqual({ log: 'a' })
  })

  test('of what was appended a front part may have arrived, and room for more', () => {
    const calls = [
      create(),
      ...synced(DIRECTORY),
      write('0123'),
      ...synced(FILE),
      write('4567', 4),
      write('89', 8),
    ]
    const found = Array.from({ length: 40 }, (_, seed) => left(calls, 'something', seed).log as string)
    for (const text of found) expect('0123456789'.startsWith(text.replace(/\0+$/, ''))).toBe(true)
    for (const text of found) expect(text.startsWith('0123')).toBe(true)
    expect(new Set(found).size).toBeGreaterThan(5)
    expect(found.some((text) => text.includes('\0'))).toBe(true)
  })
})

const SCRIPT = `
const fs = require('fs')
const file = fs.openSync(dir + '/a', 'w')
fs.writeSync(file, 'one')
fs.writeSync(file, 'two')
fs.fdatasyncSync(file)
fs.ftruncateSync(file, 3)
fs.renameSync(dir + '/a', dir + '/b')
fs.fsyncSync(fs.openSync(dir, 'r'))
fs.writeSync(file, Buffer.from('xyz'), 1, 2, 7)
fs.writeFileSync('/dev/null', 'nothing of ours')
fs.unlinkSync(dir + '/b')
`

test('the library writes down what is done in the directory', async (context) => {
  const library = await buildFaults()
  if (library === undefined) return context.skip(WHY_NO_FAULTS)
  const [dir, log] = [join(root, 'dir'), join(root, 'calls')]
  mkdirSync(dir)
  const script = `const dir = ${JSON.stringify(dir)}${SCRIPT}`
  await runOk(process.execPath, ['-e', script], {
    env: { ...process.env, ...faultsEnv({ library, dir, log }) },
  })
  rmSync(library)
  const of = statSync(dir, { bigint: true }).ino
  const calls = readCalls(log).map((call) =>
    'bytes' in call ? { ...call, bytes: String(call.bytes) } : call,
  )
  const inode = (calls[0] as { inode: bigint }).inode
  expect(calls).toEqual([
    { kind: 'create', inode, name: 'a' },
    { kind: 'write', inode, offset: 0, bytes: 'one' },
    { kind: 'write', inode, offset: 3, bytes: 'two' },
    { kind: 'syncBegun', inode, sync: 1 },
    { kind: 'syncDone', inode, sync: 1 },
    { kind: 'truncate', inode, length: 3 },
    { kind: 'rename', from: 'a', to: 'b' },
    { kind: 'syncBegun', inode: of, sync: 2 },
    { kind: 'syncDone', inode: of, sync: 2 },
    { kind: 'write', inode, offset: 7, bytes: 'yz' },
    { kind: 'unlink', name: 'b' },
  ])
  return undefined
})
