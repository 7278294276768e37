/**
 * The result that a bulk execution may ask for (MariaDB 11.5): for each row that was sent a row with the id
 * that it was given, and how many rows it affected.
 * {@link https://mariadb.com/docs/server/reference/clientserver-protocol/3-binary-protocol-prepared-statements/com_stmt_bulk_execute}
 */
import type { Bytes } from '../../src/flow.ts'
import { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import { type Capabilities, TYPE } from './capabilities.ts'
import { decodeColumnDefinition } from './decode.ts'
import type { Prepared } from './statements.ts'

/** Its columns, each a LONGLONG. A statement with RETURNING has others. */
const NAMES: readonly string[] = ['Id', 'Affected_rows']
/** Bit of the first column in the NULL bitmap of a row; the two before it stand for none. */
const FIRST_NULL = 4

export class UnitResults {
  readonly #prepared: Prepared
  readonly #cursor = new MysqlCursor()
  #columns = 0
  affected = 0
  /** the first that was given; 0 for none */
  insertId: number | string = 0

  /** `prepared`: what is executed; it remembers that it has such results: definitions may be left out. */
  constructor(prepared: Prepared) {
    this.#prepared = prepared
  }

  /** A result of so many columns, whose definitions follow: may it be one of these? */
  static mayBe(columns: number, metadataFollows: boolean, prepared: Prepared): boolean {
    return columns === NAMES.length && (metadataFollows || prepared.givesUnits)
  }

  /** A definition of a column: is it one of these? */
  column(bytes: Bytes, start: number, end: number, capabilities: Capabilities): boolean {
    const wanted = NAMES[this.#columns++]
    this.#prepared.givesUnits = false
    try {
      const { name, type } = decodeColumnDefinition(this.#cursor.reset(bytes, start, end), capabilities)
      this.#prepared.givesUnits = name.toString('latin1') === wanted && type === TYPE.LONGLONG
    } catch {
      // whatever it is, it is none of these
    }
    return this.#prepared.givesUnits
  }

  /** uint8 0, NULL bitmap, uint64 id, uint64 count. One that is broken counts nothing. */
  row(bytes: Bytes, start: number, end: number): void {
    try {
      this.#read(this.#cursor.reset(bytes, start, end))
    } catch {
      // the next row follows
    }
  }

  #read(body: MysqlCursor): void {
    body.skip(1)
    const nulls = body.uint8()
    const id = (nulls & FIRST_NULL) === 0 ? body.bigUint64() : 0n
    if ((nulls & (FIRST_NULL << 1)) === 0) this.affected += Number(body.bigUint64())
    if (this.insertId === 0) this.insertId = id > Number.MAX_SAFE_INTEGER ? id.toString() : Number(id)
  }
}
