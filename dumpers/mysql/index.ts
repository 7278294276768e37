/** MySQL and MariaDB, protocol version 10. */
import * as zlib from 'node:zlib'
import type { Dumper } from '../../src/session.ts'
import { MysqlHandshake, refusal } from './handshake.ts'
import { MysqlSession } from './session.ts'

const canDecodeZstd = 'zstdDecompressSync' in zlib

export const mysql: Dumper = {
  name: 'mysql',
  defaultPort: 3306,
  serverSpeaksFirst: true,
  open: (context) => new MysqlSession(context),
  handshake: (options) => new MysqlHandshake(options, canDecodeZstd),
  refusal,
}
