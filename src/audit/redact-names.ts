/** The words by which the redactor knows a secret. */

const MAY_HOLD_SECRET = /pas(?:s?w|sph)|pwd|secret|blink|:\/\/|\\|&['"]|(?:alter|create)(?![\w$])/i
/** misspelt ones too: a server that knows no option `pasword` tells nobody that its value is a password */
const SECRET = /pas+w|psw|pwd|passphrase|secret/i
const SECRET_OPTION = /token|credential|(?:api|access|account|private|encryption)_?key/i
/** settings of the server and of libpq that have such a name */
const HARMLESS: ReadonlySet<string> = new Set(['password_required', 'password_encryption'])
const HARMLESS_MAPPING_OPTIONS: ReadonlySet<string> = new Set([
  'user',
  'username',
  'user_name',
  'password_required',
  'sslcert',
  'sslkey',
  'use_scram_passthrough',
])
/** options of CREATE and ALTER ROLE (gram.y), and what else may follow a role that is called password */
const ROLE_WORDS: ReadonlySet<string> = new Set([
  ...['null', 'password', 'encrypted', 'unencrypted', 'inherit', 'noinherit', 'superuser', 'nosuperuser'],
  ...[
    'createdb',
    'nocreatedb',
    'createrole',
    'nocreaterole',
    'createuser',
    'nocreateuser',
    'login',
    'nologin',
  ],
  ...['replication', 'noreplication', 'bypassrls', 'nobypassrls', 'connection', 'valid', 'sysid'],
  ...['user', 'role', 'group', 'admin', 'in', 'with', 'set', 'reset', 'rename', 'add', 'drop'],
])
const VERBS = [
  ...['alter', 'call', 'copy', 'create', 'delete', 'do', 'drop', 'execute', 'grant', 'insert', 'merge'],
  ...['revoke', 'select', 'set', 'truncate', 'update', 'with'],
]
const COMMAND = new RegExp(`^\\s{0,64}(?:${VERBS.join('|')})\\s`, 'i')
const COMMAND_PART = new RegExp(
  `;|(?<![\\w$])(?:${[...VERBS, 'from', 'into', 'join', 'where'].join('|')})(?![\\w$])`,
  'i',
)

/**
 * Could the text hold a secret? Cheap, and true too often: names of secrets, connection strings, what
 * can hide either from a look at the letters (escapes), and statements whose every literal may be a secret.
 */
export const maySecret = (text: string): boolean => MAY_HOLD_SECRET.test(text)

/** A name whose literal is a secret wherever it stands. */
export const isSecretName = (name: string): boolean => SECRET.test(name) && !HARMLESS.has(name)

/** The same within OPTIONS (…). */
export const isSecretOption = (name: string): boolean => isSecretName(name) || SECRET_OPTION.test(name)

/** An option of a user mapping that is no secret; those of unknown wrappers may be. */
export const isHarmlessMappingOption = (name: string): boolean => HARMLESS_MAPPING_OPTIONS.has(name)

/** May the word follow PASSWORD in a statement that the server takes? */
export const mayFollowPassword = (word: string): boolean => ROLE_WORDS.has(word.toLowerCase())

/** Does the text look like a statement of its own? Those are not masked on mere suspicion. */
export const beginsCommand = (text: string): boolean => COMMAND.test(text)

/**
 * Could the text be part of a command? Where it is not known what is inside of quotes and what is outside,
 * such a "literal" must stay readable, or a text could be arranged so that a command in it is not seen.
 */
export const looksLikeSql = (text: string): boolean => COMMAND_PART.test(text)
