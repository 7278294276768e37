/** PostgreSQL, protocol 3.0 to 3.2. */
import type { Dumper } from '../../src/session.ts'
import { PgHandshake, refusal } from './handshake.ts'
import { PgSession } from './session.ts'

export const pg: Dumper = {
  name: 'pg',
  defaultPort: 5432,
  open: (context) => new PgSession(context),
  handshake: (options) => new PgHandshake(options),
  refusal,
}
