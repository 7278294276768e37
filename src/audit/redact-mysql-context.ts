/** Where in a statement of MySQL's the redactor is: which literals are secrets by their place. */

import {
  AFTER_AUTHENTICATION,
  BEFORE_NAME,
  EXPLAINING,
  isHarmlessVariable,
  MAY_FOLLOW_PASSWORD,
  NO_LITERAL,
  PROGRAMS,
  QUERIES,
  SECRET_ARGUMENTS,
  SET_PASSWORD,
} from './redact-mysql-words.ts'
import { isSecretName, isSecretOption } from './redact-names.ts'

interface Bracket {
  /** the word before it, '' for none */
  readonly name: string
  argument: number
  /** a query within it has its own names and literals */
  hasQuery: boolean
  /** it stands in another one's secret argument */
  readonly isWithinSecret: boolean
}

/** What a literal is by its place. */
export type Place = 'secret' | 'plugin' | 'assigned' | 'plain'

const isSecretVariable = (name: string): boolean => isSecretName(name) && !isHarmlessVariable(name)

const isSecretSetting = (name: string): boolean =>
  (isSecretOption(name) || name === 'wsrep_sst_auth') && !isHarmlessVariable(name)

/** One statement's, told of its tokens one by one; words in lower case. */
export class MysqlContext {
  /** its first word */
  verb = ''
  /** is what follows the header of a stored program, or the words of an EXPLAIN */
  isHeader = false
  /** variables that are assigned to here, `@` before those of the session */
  variable = ''
  #words = 0
  #isQuery = false
  #isUser = false
  #isTable = false
  #brackets: Bracket[] = []
  /** a user's IDENTIFIED … clause, where it began, and is a plugin's name next in it */
  #authentication: 'none' | 'begun' | 'plugin' | 'inside' = 'none'
  #authenticationIn = 0
  #setPassword: 'none' | 'user' | 'value' = 'none'
  /** in SET and DECLARE: before or behind `=`, or DEFAULT */
  #setting: 'none' | 'name' | 'value' = 'none'
  #isSecretSetting = false
  last = ''
  beforeLast = ''
  /** the last token was a masked literal of a user's or of SET PASSWORD */
  #lastIsPassword = false

  /** Is it one of those that set secrets? */
  get isCommand(): boolean {
    return this.#isUser || this.#authentication !== 'none' || this.#setPassword !== 'none'
  }

  /** An unquoted word. */
  word(word: string): void {
    this.#words++
    if (this.#words === 1) this.#begin(word)
    else if (this.#words <= 4) this.#early(word)
    if (word === 'select' && this.verb !== 'grant') this.#isQuery = this.#markQuery()
    if (PROGRAMS.has(word) && (this.verb === 'create' || this.verb === 'alter') && !this.#isUser)
      this.isHeader = true
    if (this.#setPassword === 'user' && word === 'to') this.#setPassword = 'value'
    this.#authenticate(word)
    this.#assignName(word, true)
    this.#step(word, true)
  }

  /** A quoted name, or a variable's behind its `@`. */
  name(name: string): void {
    this.#words++
    if (this.#authentication === 'plugin') this.#authentication = 'inside'
    this.#assignName(name, false)
    this.#step(name, true)
  }

  /** A literal, or a placeholder. */
  literal(isPassword: boolean): void {
    if (this.#authentication === 'plugin' || this.#authentication === 'begun')
      this.#authentication = 'inside'
    this.#step("'")
    const isClause = this.#authentication !== 'none' || this.#setPassword === 'value'
    this.#lastIsPassword = isPassword && isClause && !this.inSecretArgument
  }

  /** Any other token. */
  other(raw: string): void {
    if (raw === '(') {
      const isWithinSecret = this.inSecretArgument
      this.#brackets.push({ name: this.last, argument: 0, hasQuery: false, isWithinSecret })
    } else if (raw === ')') {
      this.#brackets.pop()
      if (this.#brackets.length < this.#authenticationIn) this.#authentication = 'none'
    } else if (raw === ',') this.#comma()
    else if ((raw === '=' || raw === ':=') && this.#brackets.length === 0) this.#assign()
    this.#step(raw)
  }

  /** What looked like a password's clause is none. */
  leaveClause(): void {
    this.#authentication = this.#setPassword = 'none'
    this.#lastIsPassword = false
  }

  /** Of a literal here, or of a bound value. */
  place(isFollowedByHost: boolean): Place {
    if (this.inSecretArgument) return 'secret'
    if (this.#authentication === 'plugin') return 'plugin'
    if (this.#authentication === 'begun' && this.#isQuery) return 'plain'
    if (this.#authentication !== 'none') return isFollowedByHost || this.last === '@' ? 'plain' : 'secret'
    if (this.#setPassword === 'value') return 'secret'
    if (this.#setPassword === 'user')
      return isFollowedByHost || this.last === '@' || this.last === 'for' ? 'plain' : 'secret'
    if (this.#setting === 'value' && this.#isSecretSetting) return 'assigned'
    if (this.#isUser) return isFollowedByHost || BEFORE_NAME.has(this.last) ? 'plain' : 'secret'
    return this.#isNamed() ? 'secret' : 'plain'
  }

  /** In an argument that is a password or a key? */
  get inSecretArgument(): boolean {
    const bracket = this.#brackets.at(-1)
    if (bracket === undefined || bracket.hasQuery) return false
    const secret = SECRET_ARGUMENTS.get(bracket.name)
    return bracket.isWithinSecret || secret === 'all' || secret === bracket.argument
  }

  /** Does a secret belong here, if the text ends? */
  get awaitsSecret(): boolean {
    const { last } = this
    if (this.#authentication !== 'none')
      return last === 'by' || last === 'as' || last === 'using' || last === '('
    if (this.#setPassword === 'value') return last === '=' || last === '('
    return this.inSecretArgument || this.#isNamed()
  }

  /**
   * Does this token, an unquoted word or anything else but a literal or a placeholder, make the server
   * refuse the text? What is wrong with it may be in the secret itself.
   */
  isRefused(raw: string, isWord: boolean): boolean {
    if (this.#lastIsPassword) {
      if (isWord) return !MAY_FOLLOW_PASSWORD.has(raw)
      return !/^[,;)]$/.test(raw)
    }
    if (this.#authentication !== 'none' && this.last === 'by') return !(isWord && NO_LITERAL.has(raw))
    if (this.#setPassword === 'value') return isWord ? !SET_PASSWORD.has(raw) : !/^[,;()@.=]$/.test(raw)
    const takesPassword = this.verb === 'change' || this.verb === 'start'
    return takesPassword && this.last === '=' && isSecretName(this.beforeLast)
  }

  /** `[MASTER_]PASSWORD [=] 'x'` where that is no comparison; `authentication_string = 'x'` anywhere. */
  #isNamed(): boolean {
    const { last, beforeLast } = this
    const assigned = last === '=' || last === ':=' || last === '=>'
    if (assigned && beforeLast === 'authentication_string') return true
    if (last === ':=' && beforeLast.startsWith('@') && isSecretVariable(beforeLast)) return true
    if (this.#isQuery || (this.#isTable && this.#brackets.length > 0)) return false
    return isSecretVariable(assigned ? beforeLast : last)
  }

  /** A variable is one token with its `@`. */
  #step(token: string, isName = false): void {
    this.#lastIsPassword = false
    if (isName && this.last === '@') {
      this.last = `@${token}`
      return
    }
    this.beforeLast = this.last
    this.last = token
  }

  #begin(word: string): void {
    this.verb = word
    this.#isQuery = QUERIES.has(word)
    this.isHeader = EXPLAINING.has(word)
    if (word === 'set' || word === 'declare') this.#setting = 'name'
  }

  #early(word: string): void {
    const { verb } = this
    if (verb === 'set' && this.#words === 2 && word === 'statement') this.isHeader = true
    if (verb !== 'create' && verb !== 'alter') return
    if (word === 'user' && (this.#words === 2 || this.last === 'replace')) this.#isUser = true
    if (word === 'table') this.#isTable = true
  }

  #markQuery(): boolean {
    const bracket = this.#brackets.at(-1)
    if (bracket) bracket.hasQuery = true
    return true
  }

  #authenticate(word: string): void {
    if (word === 'identified') {
      this.#authentication = 'begun'
      this.#authenticationIn = this.#brackets.length
    } else if (this.#authentication === 'none') return
    // GROUP BY identified WITH ROLLUP
    else if (this.#authentication === 'begun' && this.#isQuery && word !== 'by')
      this.#authentication = 'none'
    else if (word === 'with' || word === 'via')
      this.#authentication = this.#authentication === 'begun' ? 'plugin' : 'none'
    else if (word === 'or') this.#authentication = 'plugin'
    else if (AFTER_AUTHENTICATION.has(word)) this.#authentication = 'none'
    else if (this.#authentication === 'plugin') this.#authentication = 'inside'
    else if (this.#authentication === 'begun' && !/^(?:by|as|using)$/.test(word))
      this.#authentication = 'none'
    else this.#authentication = 'inside'
  }

  #assignName(name: string, isKeyword: boolean): void {
    if (this.#setting === 'name') {
      const isFirst = this.last === 'set' || this.last === ','
      // in quotes it is a variable
      if (isKeyword && name === 'password' && isFirst && this.verb === 'set') this.#setPassword = 'user'
      // a column of a trigger's row
      const isColumn = this.last === '.' && /^(?:new|old)$/.test(this.beforeLast)
      this.#isSecretSetting ||= !isColumn && isSecretSetting(name)
      this.variable = this.last === '@' ? `@${name}` : name
      if (this.verb === 'declare' && name === 'default') this.#setting = 'value'
    }
  }

  #assign(): void {
    if (this.#setPassword === 'user') this.#setPassword = 'value'
    if (this.#setting === 'name') this.#setting = 'value'
  }

  #comma(): void {
    const bracket = this.#brackets.at(-1)
    if (bracket) bracket.argument++
    if (this.#brackets.length === this.#authenticationIn) this.#authentication = 'none'
    if (this.#brackets.length > 0 || this.verb !== 'set') return
    if (this.#setting === 'value') this.#setting = 'name'
    this.#isSecretSetting = false
    this.#setPassword = 'none'
  }
}
