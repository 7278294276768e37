import { describe, expect, it } from 'vitest'
import { redact } from '../../../src/audit/redact.ts'
import type { QueryText, Statement } from '../../../src/event.ts'
import { MYSQL_ORDINARY, MYSQL_SECRETS } from '../../support/secret-mysql.ts'
import { mysqlQuery, statement } from '../../support/statements.ts'

const redacted = (text: string, more: Partial<QueryText> = {}): string =>
  (redact(statement({ text: mysqlQuery(text, more) })) as Statement).text!.text

describe('secrets of MySQL and MariaDB', () => {
  for (const [text, masked] of MYSQL_SECRETS)
    it(text, () => {
      expect(redacted(text)).toBe(masked)
    })
})

describe('ordinary statements of MySQL and MariaDB', () => {
  for (const text of MYSQL_ORDINARY)
    it(text, () => {
      expect(redacted(text)).toBe(text)
    })
})
