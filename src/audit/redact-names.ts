/** The words by which the redactor knows a secret. */
import { isKeyword, Lexer } from '../sql/scan.ts'

const MAY_HOLD_SECRET =
  /pas(?:s?w|sph)|pwd|secret|blink|:\/\/|(?:alter|create)(?![\w$])|scram-sha|md5[0-9a-f]{32}/i
const MYSQL_MAY_HOLD_SECRET = new RegExp(
  [
    /p(?:as(?:s?w|sph|s(?:code|key)?\b)|wd|rivate_?key)|s(?:ecret|st_auth)|identif|keyring|token|:\/\//,
    /a(?:uthenti|lter\b[^;]{0,256}?\buser|(?:pi|ccess|ccount)_?key)/,
    /c(?:hallenge_|redential|reate\b[^;]{0,256}?\buser)|(?:en|de)c(?:ryp|ode)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
)
/** verifiers, and hexadecimal literals that are long enough for a statement */
const MYSQL_DIGITS = /\*[0-9a-f]{40}|\$a\$[0-9a-f]{3}\$|\b0x[0-9a-f]{16}|\bx'[0-9a-f]{16}/i
const MYSQL_DIGITS_BEGIN = ['0x', "x'", "X'", '$A$', '*'] as const
/** misspelt ones too: a server that knows no option `pasword` tells nobody that its value is a password */
const SECRET = /pas+w|psw|pwd|passphrase|secret/i
const SECRET_OPTION =
  /token|credential|(?:api|access|account|private|encryption)_?key|(?:^|_)pass(?:code|key)?$/i
/**
 * what the server keeps of a password: it is as good as the password to some, and can be guessed at by
 * all
 */
const VERIFIER = /^(?:SCRAM-SHA-256\$\d+:[\w+/=]+\$[\w+/=]+:[\w+/=]+|md5[0-9a-f]{32})$/
/** settings of the server and of libpq that have such a name */
const HARMLESS: ReadonlySet<string> = new Set([
  'password_required',
  'password_encryption',
  'ssl_passphrase_command',
  'ssl_passphrase_command_supports_reload',
])
const HARMLESS_MAPPING_OPTIONS: ReadonlySet<string> = new Set([
  'user',
  'username',
  'user_name',
  'password_required',
  'sslcert',
  'sslkey',
  'use_scram_passthrough',
])
/** what CREATE and ALTER ROLE take behind a password (gram.y) */
const ROLE_OPTIONS: ReadonlySet<string> = new Set([
  ...['password', 'encrypted', 'unencrypted', 'inherit', 'noinherit', 'superuser', 'nosuperuser'],
  ...['createdb', 'nocreatedb', 'createrole', 'nocreaterole', 'createuser', 'nocreateuser'],
  ...['login', 'nologin', 'replication', 'noreplication', 'bypassrls', 'nobypassrls'],
  ...['connection', 'valid', 'sysid', 'user', 'role', 'admin', 'in', 'uescape'],
])
/** and what else they take behind a role or a database that is called password */
const ROLE_WORDS: ReadonlySet<string> = new Set([
  ...ROLE_OPTIONS,
  ...['null', 'with', 'set', 'reset', 'rename', 'add', 'drop', 'group'],
])
const VERBS: ReadonlySet<string> = new Set([
  ...['alter', 'analyze', 'begin', 'call', 'comment', 'copy', 'create', 'declare', 'delete', 'do', 'drop'],
  ...['execute', 'explain', 'grant', 'import', 'insert', 'lock', 'merge', 'notify', 'perform', 'reassign'],
  ...['refresh', 'reindex', 'revoke', 'security', 'select', 'set', 'table', 'truncate', 'update', 'vacuum'],
  ...['values', 'with'],
])
/** keywords that stand before PASSWORD, and before no expression */
const BEFORE_PASSWORD: ReadonlySet<string> = new Set(['with', 'encrypted', 'unencrypted', 'inherit'])

/**
 * Could the text hold a secret? Cheap, and true too often: names of secrets, connection strings, and
 * statements whose every literal may be a secret. Who writes a name with escapes hides it from himself.
 */
export const maySecret = (text: string, dialect: 'postgresql' | 'mysql' = 'postgresql'): boolean =>
  dialect === 'mysql' ? mayMysqlSecret(text) : MAY_HOLD_SECRET.test(text)

const mayMysqlSecret = (text: string): boolean =>
  MYSQL_MAY_HOLD_SECRET.test(text) ||
  (MYSQL_DIGITS_BEGIN.some((begin) => text.includes(begin)) && MYSQL_DIGITS.test(text))

/** A name whose literal is a secret. */
export const isSecretName = (name: string): boolean => SECRET.test(name) && !HARMLESS.has(name)

/** The same within OPTIONS (…). */
export const isSecretOption = (name: string): boolean => isSecretName(name) || SECRET_OPTION.test(name)

/** An option of a user mapping that is no secret; those of unknown wrappers may be. */
export const isHarmlessMappingOption = (name: string): boolean => HARMLESS_MAPPING_OPTIONS.has(name)

/** Is the text what the server stores in place of a password? */
export const isVerifier = (text: string): boolean => VERIFIER.test(text)

/** May the name follow PASSWORD in a statement of roles that the server takes? */
export const mayFollowPassword = (name: string): boolean => ROLE_WORDS.has(name)

/** May the name follow the password itself? */
export const mayFollowSecret = (name: string): boolean => ROLE_OPTIONS.has(name)

/**
 * Is `word password 'literal'` refused wherever it stands, or a statement of roles? True for what cannot
 * stand before an expression: `password 'x'` is one where there is a type of that name.
 */
export const mayPrecedePassword = (word: string): boolean => !isKeyword(word) || BEFORE_PASSWORD.has(word)

/** Does the text look like a statement of its own? Those are not masked on mere suspicion. */
export const beginsCommand = (text: string): boolean => {
  const lexer = new Lexer(text)
  while (lexer.next()) {
    if (lexer.isPunctuation('(') || lexer.isPunctuation(';')) continue
    return lexer.kind === 'word' && VERBS.has(lexer.raw.toLowerCase()) && lexer.next()
  }
  return false
}

/**
 * Can the text be no more than a word? Where it is not known what is inside of quotes and what is
 * outside, any other "literal" must stay readable, or a text could be arranged so that a command in it is
 * not seen.
 */
export const isPlain = (text: string): boolean => /^[^\s'"();,\\*|&<>^`$]*$/.test(text)
