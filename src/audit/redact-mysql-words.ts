/** The words by which the redactor knows a secret in MySQL's and MariaDB's statements. */

const words = (list: string): ReadonlySet<string> => new Set(list.trim().split(/\s+/))

/** Statements in which a literal beside a secret's name is an application's own data. */
export const QUERIES = words(`
  select insert update delete replace with values table do call load show handler explain describe desc
  analyze use help truncate drop rename lock import return if elseif while case until open fetch signal
  resignal execute prepare when
`)
/** What may begin the body of a stored program, or what EXPLAIN explains. */
export const VERBS = words(`
  alter create change set grant revoke start clone install insert update delete select replace call do
  return if while case loop repeat begin declare execute prepare drop rename truncate load with
`)
/** Behind them a statement of a stored program begins. */
export const OPENERS = words('begin then else loop do repeat')
export const PROGRAMS = words('procedure function trigger event package')
/** They explain the statement that follows. */
export const EXPLAINING = words('explain describe desc analyze')

/** Which arguments of a function are secrets: all, or the one at this place. */
export const SECRET_ARGUMENTS: ReadonlyMap<string, number | 'all'> = new Map<string, number | 'all'>([
  ['password', 'all'],
  ['old_password', 'all'],
  ['encrypt', 0],
  ['aes_encrypt', 1],
  ['aes_decrypt', 1],
  ['des_encrypt', 1],
  ['des_decrypt', 1],
  ['encode', 1],
  ['decode', 1],
  ['keyring_key_store', 2],
])

/** They end the authentication clause of a user. */
export const AFTER_AUTHENTICATION = words('require comment attribute default account role data do end')
/** What else may follow a password there: behind any other word the server refuses the text. */
export const MAY_FOLLOW_PASSWORD = words(`
  require comment attribute default account with password replace retain and or initial identified add
  modify drop discard failed_login_attempts password_lock_time data end using by as
`)
/** What may stand in place of a literal behind IDENTIFIED BY. */
export const NO_LITERAL = words('password random')
/** What SET PASSWORD takes behind its `=` besides literals. */
export const SET_PASSWORD = words(`
  password old_password replace retain current random to default end
`)
/** Behind them a literal in a statement of users is a name, or says who may connect. */
export const BEFORE_NAME = words(`
  user exists , @ subject issuer cipher comment attribute role with via or for to on
`)
const PLUGINS = words('parsec gssapi pam dialog ed25519 socket')

/** Could a literal in a plugin's place be a plugin's name, and no password that lacks its BY? */
export const isPluginName = (name: string): boolean =>
  PLUGINS.has(name) || /^[a-z0-9]+(?:_[a-z0-9]+)+$/.test(name)

/** Settings of servers whose names speak of passwords, and hold none. */
export const isHarmlessVariable = (name: string): boolean => HARMLESS.test(name) || HARMLESS_END.test(name)

const HARMLESS =
  /^(?:validate_password|simple_password_check|cracklib_|old_passwords$|password_(?:reuse|require|history))/
const HARMLESS_END = new RegExp(
  `_(?:${[
    'path|rounds|lifetime|history|interval|current|plugin|validation|check',
    'expired_password|proxy_users|rsa_keys|token_size|encryption_key_id',
  ].join('|')})$`,
)

/** What the servers keep of a password. */
export const MYSQL_VERIFIER = /(?<![\w*])\*[0-9a-f]{40}(?!\w)|\$A\$[0-9a-f]{3}\$[^\s"]{20,}/gi

const BEFORE_SECRET = new RegExp(
  `(?:${[
    /identified\s+by(?:\s+password)?/,
    /identified\s+(?:with|via)\s+\S+\s+(?:by|as|using)(?:\s+password\s*\()?/,
    /set\s+password(?:\s+for\s+\S+)?\s*=(?:\s*(?:old_)?password\s*\()?/,
    /\b(?:old_)?password\s*\(/,
    /(?:master|source)_password\s*=/,
  ]
    .map(({ source }) => source)
    .join('|')})\\s*(['"]?)$`,
  'i',
)

/** Does the text, a piece of a statement, break off where a secret belongs, perhaps behind its quote? */
export const endsBeforeSecret = (text: string): 'closed' | 'open' | 'quoted' => {
  const match = BEFORE_SECRET.exec(text.slice(-200))
  return match === null ? 'closed' : match[1] === '' ? 'open' : 'quoted'
}
