import { expect, test } from 'vitest'
import { parseErrorLog, parseGeneralLog } from './my-log.ts'

const MARIADB = `mariadbd, Version: 10.11.19-MariaDB-log (Debian 12). started with:
Tcp port: 23057  Unix socket: /s.sock
Time\t\t    Id Command\tArgument
261121 16:16:53\t     3 Connect\troot@127.0.0.1 on  using TCP/IP
\t\t     3 Query\tselect 'a
b
'
\t\t    12 Prepare\tselect ?\tfrom t
261121  9:06:54\t     3 Init DB\tx
\t\t     3 Quit\t
`

const simple = (log: Buffer) =>
  parseGeneralLog(log).map(({ thread, command, text }) => [thread, command, text])

test('the general log is read with and without times, and over newlines', () => {
  expect(simple(Buffer.from(MARIADB))).toEqual([
    [3, 'Connect', 'root@127.0.0.1 on  using TCP/IP'],
    [3, 'Query', "select 'a\nb\n'"],
    [12, 'Prepare', 'select ?\tfrom t'],
    [3, 'Init DB', 'x'],
    [3, 'Quit', ''],
  ])
})

test("MySQL's heading differs, and nothing before it is an entry", () => {
  const log =
    'mysqld, Version\n\t\t    1 Query\tno\nTime                 Id Command    Argument\n\t\t    1 Query\tyes'
  expect(simple(Buffer.from(log))).toEqual([[1, 'Query', 'yes']])
})

test('texts keep the bytes that the client sent', () => {
  const log = Buffer.concat([
    Buffer.from('Time Id Command Argument\n\t\t    1 Query\t'),
    Buffer.from([0xe9, 0x0a, 0xff]),
    Buffer.from('\n\t\t    1 Quit\t\n'),
  ])
  expect(parseGeneralLog(log).map(({ bytes }) => [...bytes])).toEqual([[0xe9, 0x0a, 0xff], []])
})

test('the log of errors is read with thread ids, over newlines', () => {
  const log = `2026-11-21 16:18:05 5 \`x\` root[root] @ localhost [] ERROR 1146: Table 'x.y' doesn't exist : select 'a
b' from y
2026-11-21  6:18:05 17 NULL  root[root] @  [127.0.0.1] ERROR 1064: no : SELEC
`
  expect(parseErrorLog(log)).toEqual([
    { thread: 5, number: 1146, message: "Table 'x.y' doesn't exist : select 'a\nb' from y" },
    { thread: 17, number: 1064, message: 'no : SELEC' },
  ])
})
