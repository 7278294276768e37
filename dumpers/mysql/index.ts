/** MySQL and MariaDB, protocol version 10. */
import { zstdAvailable } from '../../src/framing/compressed.ts'
import type { Dumper } from '../../src/session.ts'
import { MysqlHandshake } from './handshake.ts'
import { refusal } from './refusal.ts'
import { MysqlSession } from './session.ts'

export const mysql: Dumper = {
  name: 'mysql',
  defaultPort: 3306,
  serverSpeaksFirst: true,
  open: (context) => new MysqlSession(context),
  handshake: (options) => new MysqlHandshake(options, zstdAvailable),
  refusal,
}
