/** What kind of statement the redactor is in, and where in it: which literals are secrets by their place. */
import { isKeyword } from '../sql/scan.ts'
import { isHarmlessMappingOption, isSecretName, isSecretOption } from './redact-names.ts'

type Kind =
  | 'none'
  /** CREATE and ALTER ROLE, USER, GROUP: a literal is a password, but for that of VALID UNTIL and of SET */
  | 'role'
  /** CREATE and ALTER USER MAPPING: options whose names are not known may be secrets */
  | 'mapping'
  /** what else has OPTIONS (…) or CONNECTION */
  | 'options'
  /** ALTER DATABASE, SYSTEM, FUNCTION … SET */
  | 'settings'

const CREATED: Readonly<Record<string, Kind>> = {
  role: 'role',
  user: 'role',
  group: 'role',
  server: 'options',
  foreign: 'options',
  subscription: 'options',
}
const ALTERED: Readonly<Record<string, Kind>> = {
  ...CREATED,
  system: 'settings',
  database: 'settings',
  function: 'settings',
  procedure: 'settings',
  routine: 'settings',
}

/** One statement's, told of its tokens one by one. */
export class StatementContext {
  kind: Kind = 'none'
  /** as far as it was told: DO's and CREATE FUNCTION's */
  language = ''
  /** what is assigned to if this is an assignment, or a declaration of PL/pgSQL */
  variable = ''
  /** its first words, until one is none */
  readonly #words: string[] = []
  #tokens = 0
  #brackets = 0
  /** number of brackets around OPTIONS (…), -1 outside of it */
  #list = -1
  /** the last name in that list, since its last comma */
  #option = ''
  /** in a SET clause: before or behind TO or = */
  #setting: 'none' | 'name' | 'value' = 'none'
  #isSecretSetting = false
  #isCommandSetting = false
  #last = ''

  /** Is it one of those that set secrets? */
  get isCommand(): boolean {
    return this.kind !== 'none'
  }

  get isRole(): boolean {
    return this.kind === 'role' && this.#setting === 'none' && this.#brackets === 0
  }

  /** Does it have bodies in another language? */
  get isRoutine(): boolean {
    const [first, second, , fourth] = this.#words
    const kind = second === 'or' ? fourth : second
    return first === 'do' || (first === 'create' && (kind === 'function' || kind === 'procedure'))
  }

  /** Is this token the value of a setting that has a secret's name? */
  get isSecretValue(): boolean {
    return this.#setting === 'value' && this.#isSecretSetting
  }

  /** Is a literal at this place run by a shell: COPY's PROGRAM, the value of a setting that is a command? */
  get isProgram(): boolean {
    return this.#last === 'program' || (this.#setting === 'value' && this.#isCommandSetting)
  }

  /** Directly in the brackets of OPTIONS (…)? */
  get inOptions(): boolean {
    return this.#list !== -1 && this.#brackets === this.#list + 1
  }

  /** tokens so far */
  get tokens(): number {
    return this.#tokens
  }

  /** A name in its folded form. */
  name(name: string, quoted: boolean): void {
    this.#tokens++
    if (!quoted) this.#keyword(name)
    if (this.variable === '' && name !== 'declare') this.variable = name
    if (this.#setting === 'name') {
      this.#isSecretSetting ||= isSecretName(name)
      this.#isCommandSetting ||= name.endsWith('_command')
    }
    if (this.#list !== -1) this.#option = name
    if (this.#last === 'language') this.language = name.toLowerCase()
    this.#last = name
  }

  /** A literal. */
  literal(value: string): void {
    this.#tokens++
    if (this.#last === 'language') this.language = value.toLowerCase()
    this.#last = ''
  }

  /** Any other token. */
  other(raw: string): void {
    this.#tokens++
    if (raw === '(') {
      if (this.#last === 'options' && this.#list === -1 && this.#mayHaveOptions())
        this.#list = this.#brackets
      this.#brackets++
    } else if (raw === ')') {
      this.#brackets--
      if (this.#brackets <= this.#list) this.#list = -1
    } else if (raw === ',') this.#option = ''
    else if (raw === '=' && this.#setting === 'name') this.#setting = 'value'
    this.#last = raw
  }

  /** Is a literal at this place a secret, whatever is in it? */
  takesSecret(): boolean {
    if (this.#setting !== 'none') return this.#isSecretSetting
    if (this.kind === 'role') return this.#last !== 'until' && this.#last !== 'uescape'
    if (this.kind === 'mapping') return !isHarmlessMappingOption(this.#option)
    return this.#list !== -1 && isSecretOption(this.#option)
  }

  #keyword(word: string): void {
    if (this.#words.length === this.#tokens - 1 && this.#tokens <= 4) this.#words.push(word)
    const [first, second] = this.#words
    if (this.#tokens === 1) this.#setting = word === 'set' ? 'name' : 'none'
    else if (this.#tokens === 2 && first === 'create') this.kind = CREATED[word] ?? 'none'
    else if (this.#tokens === 2 && first === 'alter') this.kind = ALTERED[word] ?? 'none'
    else if (this.#tokens === 3 && word === 'mapping' && second === 'user') {
      if (this.kind === 'role') this.kind = 'mapping'
    } else if (this.#setting === 'name' && word === 'to') this.#setting = 'value'
    else if (word === 'set' && first === 'alter' && this.#hasSettings()) {
      this.#setting = 'name'
      this.#isSecretSetting = false
    }
  }

  #hasSettings(): boolean {
    return this.#brackets === 0 && (this.kind === 'role' || this.kind === 'settings')
  }

  /**
   * In a query, and behind `:=`, `options (…)` is a function's call; with a misspelt verb the server
   * refuses it.
   */
  #mayHaveOptions(): boolean {
    const [first = '', second = ''] = this.#words
    if (this.kind === 'options' || this.kind === 'mapping' || first === 'import') return true
    return first !== '' && !isKeyword(first) && CREATED[second] !== undefined
  }
}
