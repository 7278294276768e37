/** MySQL and MariaDB, protocol version 10. */
import type { Dumper } from '../../src/session.ts'
import { MysqlSession } from './session.ts'

export const mysql: Dumper = {
  name: 'mysql',
  defaultPort: 3306,
  open: () => new MysqlSession(),
}
