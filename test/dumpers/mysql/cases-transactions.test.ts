/** What became of a transaction: told where it is certain, `unknown` where it is not. */
import { expect, test } from 'vitest'
import type { Bytes } from '../../../src/flow.ts'
import { ofKind } from '../../support/canonical.ts'
import {
  asked,
  b,
  f,
  prepared,
  replied,
  resultSet,
  sent,
  type Turn,
  talk,
} from '../../support/my-conversation.ts'

const IN_TRANS = 1
const AUTOCOMMIT = 2
const MORE = 8
/** amid a transaction, with autocommit and without; and outside of one */
const T = { status: IN_TRANS | AUTOCOMMIT }
const T0 = { status: IN_TRANS }
const I = { status: AUTOCOMMIT }
const I0 = { status: 0 }

const failed = (text: string, number: number): readonly Turn[] => [
  sent(f.query(text)),
  replied(b.err(number, 'no')),
]

/** A text of several statements, or a CALL: each result's packets. */
const results = (text: string, ...packets: Bytes[]): readonly Turn[] => [
  sent(f.query(text)),
  replied(...packets),
]
const rows = (status: number): Bytes[] => resultSet(['a'], [Buffer.from('\x011')], { status })

const ends = (turns: readonly Turn[]): unknown[] =>
  ofKind(talk(turns), 'txn.end').map(({ txn_seq, txn_outcome, reason, error_number }) =>
    [txn_seq, txn_outcome, reason, error_number].filter((part) => part !== undefined).join(' '),
  )

const BEGIN = [...asked('begin', T), ...asked('insert', T)]
/** autocommit is off */
const OFF = asked('insert', T0)
const ROLLBACK = asked('rollback', I)

/** [what happens, what is said, the ends of transactions] */
const CASES: readonly (readonly [string, readonly Turn[], readonly string[]])[] = [
  ['COMMIT', [...BEGIN, ...asked('commit', I)], ['1 committed']],
  [
    'COMMIT AND CHAIN',
    [...BEGIN, ...asked('commit and chain', T), ...ROLLBACK],
    ['1 committed', '2 rolled_back'],
  ],
  [
    'UNLOCK TABLES without locks commits nothing',
    [...BEGIN, ...asked('unlock tables', T), ...ROLLBACK],
    ['1 rolled_back'],
  ],
  ['UNLOCK TABLES with locks commits', [...OFF, ...asked('unlock tables', I0)], ['1 committed']],
  [
    'mariadb-dump',
    [...asked('START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */', T), ...asked('UNLOCK TABLES', T)],
    ['1 rolled_back connection_closed'],
  ],
  [
    'LOCK TABLES commits, and with autocommit off a transaction is open',
    [...OFF, ...asked('lock tables t read', T0), ...asked('rollback', I0)],
    ['1 committed', '2 rolled_back'],
  ],
  ['autocommit that was on', [...BEGIN, ...asked('set autocommit = 1', T), ...ROLLBACK], ['1 rolled_back']],
  ['autocommit that was off', [...OFF, ...asked('set @@autocommit = @a', I)], ['1 committed']],
  ['DDL', [...BEGIN, ...asked('create table t (a int)', I), ...ROLLBACK], ['1 committed']],
  [
    'DDL that commits nothing',
    [...BEGIN, ...asked('cache index t in default', T), ...ROLLBACK],
    ['1 rolled_back'],
  ],
  [
    'DDL that failed has committed',
    [...BEGIN, ...failed('alter table nix add a int', 1146), ...ROLLBACK],
    ['1 committed'],
  ],
  [
    'and with autocommit off what follows is another',
    [...OFF, ...failed('drop table nix', 1051), ...asked('insert', T0), ...asked('rollback', I0)],
    ['1 committed', '2 rolled_back'],
  ],
  [
    'DDL that is no SQL commits nothing',
    [...BEGIN, ...failed('create tabel t', 1064), ...ROLLBACK],
    ['1 rolled_back 1064'],
  ],
  [
    'DDL of which nobody knows how far it came',
    [...BEGIN, ...failed('drop function f', 1999), ...ROLLBACK],
    ['1 unknown'],
  ],
  [
    'and a COMMIT that follows',
    [...BEGIN, ...failed('drop function f', 1999), ...asked('commit', I)],
    ['1 committed'],
  ],
  [
    'and a flag that tells that it did nothing',
    [...BEGIN, ...failed('drop function f', 1999), ...asked('select 1', T), ...ROLLBACK],
    ['1 rolled_back'],
  ],
  [
    'a flag that tells that it committed',
    [...BEGIN, ...failed('drop function f', 1999), ...asked('select 1', I)],
    ['1 committed'],
  ],
  [
    'with autocommit off the flag does not tell',
    [...OFF, ...failed('drop function f', 1999), ...asked('insert', T0), ...asked('rollback', I0)],
    ['1 unknown'],
  ],
  [
    'and the connection ends',
    [...BEGIN, ...failed('drop function f', 1999)],
    ['1 unknown connection_closed'],
  ],
  ['a COMMIT that failed', [...BEGIN, ...failed('commit', 1180), ...asked('select 1', I)], ['1 unknown']],
  [
    'a COMMIT that did not run',
    [...BEGIN, ...failed('commit', 1399), ...asked('select 1', T), ...ROLLBACK],
    ['1 rolled_back'],
  ],
  ['a deadlock', [...BEGIN, ...failed('update t', 1213), ...ROLLBACK], ['1 rolled_back 1213']],
  ['DDL in a deadlock', [...BEGIN, ...failed('alter table t', 1213), ...ROLLBACK], ['1 unknown']],
  ['a failed INSERT', [...BEGIN, ...failed('insert', 1062), ...asked('commit', I)], ['1 committed']],
  [
    'a lock that was waited for too long may roll back all',
    [...BEGIN, ...failed('update t', 1205), ...asked('commit', I)],
    ['1 unknown'],
  ],
  [
    'and surely does with ROLLBACK',
    [...BEGIN, ...failed('update t', 1205), ...asked('rollback', I)],
    ['1 rolled_back 1205'],
  ],
  ['no SQL at all', [...BEGIN, ...failed('selct', 1064), ...asked('commit', I)], ['1 committed']],
  ['a procedure that ended it', [...BEGIN, ...asked('call p()', I)], ['1 unknown']],
  [
    'a procedure that may have begun another',
    [...BEGIN, ...asked('call p()', T), ...ROLLBACK],
    ['1 unknown'],
  ],
  [
    'a compound statement',
    [
      ...OFF,
      ...asked('begin not atomic commit; insert into t values (1); end', T0),
      ...asked('commit', I0),
    ],
    ['1 unknown'],
  ],
  [
    'EXECUTE of a known text',
    [...BEGIN, ...asked("prepare s from 'commit'", T), ...asked('execute s', I)],
    ['1 committed'],
  ],
  [
    'EXECUTE IMMEDIATE of a known text',
    [...BEGIN, ...asked("execute immediate 'rollback'", I)],
    ['1 rolled_back'],
  ],
  [
    'EXECUTE of an unknown text',
    [...BEGIN, ...asked('prepare s from @a', T), ...asked('execute s', I)],
    ['1 unknown'],
  ],
  [
    'a comment that is code to some',
    [...BEGIN, ...asked('/*M!100000 commit */', T), ...ROLLBACK],
    ['1 unknown'],
  ],
  [
    'a prepared COMMIT',
    [
      ...BEGIN,
      sent(f.prepare('commit')),
      replied(...prepared(1, 0, [])),
      sent(f.execute(1, [])),
      replied(b.ok(I)),
    ],
    ['1 committed'],
  ],
  [
    'XA',
    [
      ...asked("xa start 'q'", T),
      ...asked('insert', T),
      ...asked("xa end 'q'", T),
      ...asked("xa prepare 'q'", T),
      ...asked("xa rollback 'q'", I),
    ],
    ['1 rolled_back'],
  ],
  [
    'XA COMMIT',
    [...asked("xa start 'q'", T), ...asked("xa end 'q'", T), ...asked("xa commit 'q' one phase", I)],
    ['1 committed'],
  ],
  [
    'COM_RESET_CONNECTION',
    [...BEGIN, sent(f.resetConnection()), replied(b.ok(I))],
    ['1 rolled_back reset_connection'],
  ],
  [
    "a deadlock of MariaDB's GET_LOCK may roll nothing back",
    [...BEGIN, ...failed("select get_lock('a', 5)", 1213), ...asked('commit', I)],
    ['1 unknown'],
  ],
  [
    'a COMMIT to a server that is read-only by now',
    [...BEGIN, ...failed('commit', 1290), ...asked('select 1', I)],
    ['1 rolled_back 1290'],
  ],
  [
    'a change of user that is refused',
    [...BEGIN, sent(f.changeUser({ user: 'bob' })), replied(b.err(1045, 'no'))],
    ['1 rolled_back change_user'],
  ],
  [
    'XA PREPARE outlives the session',
    [...asked("xa start 'q'", T), ...asked("xa end 'q'", T), ...asked("xa prepare 'q'", T)],
    ['1 unknown prepared'],
  ],
  [
    'XA PREPARE that parts with it',
    [...asked("xa start 'q'", T), ...asked("xa end 'q'", T), ...asked("xa prepare 'q'", I)],
    ['1 unknown prepared'],
  ],
  [
    'results of a procedure before another statement',
    [
      ...BEGIN,
      ...results(
        'call p(); insert into t values (1); commit',
        ...rows(T.status | MORE),
        ...rows(T.status | MORE),
        b.ok({ status: T.status | MORE }),
        b.ok({ status: T.status | MORE }),
        b.ok(I),
      ),
    ],
    ['1 unknown'],
  ],
  [
    'statements of a text in order',
    [
      ...BEGIN,
      ...results(
        'select 1; rollback; insert into t values (1)',
        ...rows(T.status | MORE),
        b.ok({ status: I.status | MORE }),
        b.ok(I),
      ),
    ],
    ['1 rolled_back'],
  ],
]

test.each(CASES)('%s', (_name, turns, expected) => {
  expect(ends(turns)).toEqual(expected)
})

test('behind a procedure the next transaction is known again', () => {
  const turns = [...BEGIN, ...asked('call p()', T), ...asked('commit', I), ...BEGIN, ...asked('commit', I)]
  expect(ends(turns)).toEqual(['1 unknown', '2 committed'])
})
