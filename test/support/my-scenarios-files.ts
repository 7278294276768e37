/** LOAD DATA LOCAL INFILE: packets that are no commands, whatever they look like and whenever they come. */
import {
  CLIENT_COMPRESS,
  CLIENT_LOCAL_FILES,
  CLIENT_MULTI_RESULTS,
  CLIENT_MULTI_STATEMENTS,
} from '../../dumpers/mysql/capabilities.ts'
import type { Bytes } from '../../src/flow.ts'
import type { Scenario } from './my-scenario.ts'
import { CLIENT_DEFAULT, frontend as f, packet } from './my-wire.ts'

const { concat } = Buffer
const q = f.query
const FLAGS = CLIENT_DEFAULT | CLIENT_LOCAL_FILES | CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS
const login = { database: 'shop', flags: FLAGS }
const compressedLogin = { login: { ...login, flags: FLAGS | CLIENT_COMPRESS }, isCompressed: true }
const load = (name = 'x', table = 'f'): string => `LOAD DATA LOCAL INFILE '${name}' INTO TABLE ${table}`
const DROP = '\x03DROP TABLE t\n'
/** Packets of a file, numbered as they must be. */
const drops = (count: number): Bytes[] =>
  Array.from({ length: count }, (_, n) => packet((n + 2) & 255, DROP))
const end = (count: number): Bytes => packet((count + 2) & 255, '')

export const FILES: readonly Scenario[] = [
  {
    name: 'case 42: an empty file',
    login,
    steps: [
      [q(load()), /^l$/],
      [packet(2, ''), /^o$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 42: packets that look like commands',
    login,
    steps: [
      [q(load()), /^l$/],
      [concat([packet(2, DROP), packet(3, '\x01'), packet(4, '')]), /^o$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 42: sent before it is asked for',
    login,
    steps: [[concat([q(load()), ...drops(1), end(1), q('DO 1')]), /^loo$/]],
  },
  {
    name: 'case 42: sent before it is asked for, which it never is',
    login,
    steps: [[concat([q(load('x', 'nowhere')), ...drops(1), end(1), q('DO 1')]), /^ee?\$?$/]],
  },
  {
    name: 'case 48: ids that wrap, once asked for',
    login,
    steps: [
      [q(load()), /^l$/],
      [concat([...drops(600), end(600)]), /^o$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 48: ids that wrap, before it is asked for',
    login,
    steps: [[concat([q(load()), ...drops(600), end(600), q('DO 1')]), /^loo$/]],
  },
  {
    name: 'case 48: the id of the empty packet is 0',
    login,
    steps: [[concat([q(load()), ...drops(254), end(254), q('DO 1')]), /^loo$/]],
  },
  {
    name: 'wrong ids',
    login,
    steps: [
      [q(load()), /^l$/],
      [concat([packet(0, 'DROP TABLE t'), q('DO 1')]), /^e+\$?$/],
    ],
  },
  {
    name: 'case 42: two files of one text, and results between',
    login,
    steps: [
      [q(`DO 1; ${load('a')}; SELECT 1; ${load('b')}; DO 2`), /^ol$/],
      [concat([packet(3, 'a'), packet(4, '')]), /^o..f.fl$/],
      [concat([packet(12, DROP), packet(13, '')]), /^oo$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'case 42: two files of one text, sent before they are asked for',
    login,
    steps: [
      [
        concat([
          q(`${load('a')}; ${load('b')}`),
          packet(2, 'a'),
          packet(3, ''),
          packet(6, 'bb'),
          packet(7, ''),
          q('DO 9'),
        ]),
        /^loloo$/,
      ],
    ],
  },
  {
    name: 'a client that never said that it sends files',
    login: { ...login, flags: CLIENT_DEFAULT },
    steps: [
      [q(load()), /^e$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'an error in the file’s rows',
    login,
    steps: [
      [q(load('x', 'u')), /^l$/],
      [concat([packet(2, '901\n901\nx\n'), packet(3, '')]), /^[oe]$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'compressed: asked for, packets that look like commands',
    ...compressedLogin,
    steps: [
      [q(load()), /^l$/],
      [concat([packet(2, '\x01'), packet(3, DROP), packet(0, '')]), /^o$/],
      [q('DO 1'), /^o$/],
    ],
  },
  {
    name: 'compressed: never asked for, they are commands',
    ...compressedLogin,
    steps: [
      [
        concat([q(load('x', 'nowhere')), packet(2, '\x03DROP TABLE nothing'), packet(3, ''), q('DO 1')]),
        /^eeeo$/,
      ],
    ],
  },
]
