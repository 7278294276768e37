/**
 * Random SQL with and without secrets, most of which a server takes: statements of roles and mappings,
 * settings, expressions that look like either, DO blocks with all of that inside, literals in every form
 * with contents that look like code, comments with quotes in them; then a few characters are dropped,
 * doubled or put in.
 */
import { seededRandom } from './chunks.ts'

const GAPS = [
  ' ',
  ' ',
  ' ',
  ' ',
  '\n',
  '\t',
  ' -- it\'s "x"\n',
  " /* ' */ ",
  ' /* " /* $$ */ \\ */ ',
  '--\\\n',
]
const CONTENTS = [
  ...[
    'x',
    'hunter2',
    '',
    'a b',
    "it's",
    "''",
    '\\',
    "\\'",
    'a\\',
    '"',
    '$$',
    '$x$',
    '--',
    '/*',
    '*/',
    ';',
    '%',
  ],
  ...[
    '; select mark(1); ',
    "', mark(2), '",
    ' password ',
    "password 'x'",
    'alter role r password ',
    '\n',
    'é\\',
  ],
  ...[
    "\\', mark(3) --",
    "\\' login; select mark(4); --",
    'host=h password=x',
    ' or ',
    '||',
    'é',
    "e'",
    'md5',
  ],
]
const TYPES = ['password', 'secret', '"password"', 'public.password', 'api_key', 'text']
const MUTATIONS = [
  "'",
  '"',
  '\\',
  '$',
  '$$',
  '--',
  '/*',
  '*/',
  ';',
  ' ',
  "E'",
  'U&',
  ',',
  '(',
  ')',
  'password ',
  '\n',
]

class Generator {
  readonly #random: () => number
  #mark = 100

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  text(): string {
    let text = this.#list(1, 3, () => this.#statement()).join(';')
    for (let count = this.#below(8) - 4; count > 0; count--) text = this.#mutated(text)
    return text
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!
  }

  #list(least: number, most: number, make: () => string): string[] {
    return Array.from({ length: least + this.#below(most - least + 1) }, make)
  }

  #mutated(text: string): string {
    const at = this.#below(text.length + 1)
    const kind = this.#below(3)
    if (kind === 0) return text.slice(0, at) + text.slice(at + 1)
    if (kind === 1) return text.slice(0, at) + text.charAt(at) + text.slice(at)
    return text.slice(0, at) + this.#pick(MUTATIONS) + text.slice(at)
  }

  /** `words` with other white space and comments between them, in mixed case. */
  #say(words: string): string {
    return words
      .split(' ')
      .map((word) => (this.#below(4) === 0 ? word.toUpperCase() : word))
      .reduce((said, word) => said + this.#pick(GAPS) + word)
  }

  #content(): string {
    return this.#list(1, 3, () => this.#pick(CONTENTS)).join('')
  }

  #literal(content = this.#content()): string {
    const doubled = content.replaceAll("'", "''")
    switch (this.#below(8)) {
      case 0:
        return `E'${content.replaceAll(/['\\]/g, '\\$&')}'`
      case 1:
        return `U&'${doubled.replaceAll('\\', '\\\\')}'`
      case 2:
        return content.includes('$') ? `'${doubled}'` : `$${this.#pick(['', 'x', 'q_1'])}$${content}$$`
      case 3:
        return `$body$${content}$body$`
      case 4:
        return `N'${doubled}'`
      case 5:
        return `'${doubled}'${this.#pick(['\n', " -- '\n"])}'more'`
      default:
        return `'${doubled}'`
    }
  }

  #marked(): string {
    return `mark(${this.#mark++})`
  }

  /** A literal that is to be run. */
  #command(): string {
    return this.#literal(`select ${this.#marked()}`)
  }

  #role(): string {
    const option = () =>
      this.#pick([
        () => `${this.#say('password')} ${this.#literal()}`,
        () => `${this.#say('encrypted password')}${this.#literal()}`,
        () => `${this.#say('valid until')} '2030-01-01'`,
        () =>
          this.#pick([
            'login',
            '"superuser"',
            'nocreatedb',
            'connection limit 5',
            'password null',
            'inherit',
          ]),
        () => this.#say(this.#pick(['in role password', 'role r, password', 'admin "password"'])),
      ])()
    const name = this.#pick(['a', 'b', '"c d"', 'password', 'U&"p"', '"it\'s"'])
    const create = `${this.#say(`create ${this.#pick(['role', 'user', 'group'])}`)} ${name} `
    const before = name === 'password' ? '' : `${this.#say('create role password')};`
    const made = `${this.#say('create role r')};${before}${create}${this.#list(0, 3, option).join(' ')}`
    const altered = [
      () => `;alter role ${name} ${option()}`,
      () => `;alter role ${name} set search_path = password, "x"`,
      () => `;alter role ${name} set my.password to ${this.#literal()}`,
      () => `;alter role ${name} in database postgres set application_name = ${this.#literal()}`,
      () => '',
    ]
    return made + this.#pick(altered)()
  }

  /** Expressions, some of which look like the place of a secret. */
  #item(): string {
    const literal = () => this.#literal()
    return this.#pick([
      () => this.#marked(),
      () => literal(),
      () => `${literal()} as password`,
      () => `${this.#pick(TYPES)} ${literal()}`,
      () => `options(api_key ${literal()})`,
      () => `named(password => ${literal()})`,
      () => `run(${this.#pick(['', 'password ', 'public.password '])}${this.#command()})`,
      () => `set_config('my.${this.#pick(['x', 'password'])}', ${literal()}, ${this.#marked()} > 0)`,
      () => `format('alter role %I password %L', ${literal()}, ${literal()}, ${this.#marked()})`,
      () => `'alter role x password ' || ${literal()} || ${this.#marked()}`,
      () => `case when ${this.#marked()} > 0 then password ${literal()} else secret ${literal()} end`,
      () => `(${this.#marked()} in (1, 2) and password ${literal()} = ${literal()})`,
      () =>
        `(select ${this.#marked()} from (select 1 as alter, 2 as role, 3 as password) q where password = 3)`,
    ])()
  }

  #select(): string {
    const items = this.#list(1, 4, () => this.#item()).join(this.#pick([',', ' , ', ", -- '\n"]))
    return `${this.#say('select')} ${items}`
  }

  #body(): string {
    const statement = () =>
      this.#pick([
        () => this.#select().replace(/^select/i, 'perform'),
        () => `execute ${this.#command()}`,
        () => `execute ${this.#pick(['password ', 'secret '])}${this.#command()}`,
        () => `perform alter role, run(${this.#command()}) from (select 1 as alter) q`,
        () => this.#role(),
        () => `if true then ${this.#role()}; end if`,
        () => `n := options(${this.#pick(['', 'password ', 'api_key '])}${this.#command()})`,
      ])()
    return `declare n int; begin ${this.#list(1, 3, statement).join('; ')}; end`
  }

  #statement(): string {
    const literal = () => this.#literal()
    return this.#pick([
      () => this.#role(),
      () => this.#role(),
      () => this.#select(),
      () => this.#select(),
      () => `${this.#say('do')} ${this.#literal(this.#body())}`,
      () => `do language plpgsql ${this.#literal(this.#body())}`,
      () => `create user mapping for public server s options (user ${literal()}, password ${literal()})`,
      () => `alter server s options (add password ${this.#literal()}, host ${this.#literal()})`,
      () => `set my.${this.#pick(['password', 'x'])} ${this.#pick(['=', 'to'])} ${this.#literal()}`,
      () => `comment on type password is ${this.#literal()}`,
      () => `prepare p${this.#mark++} as ${this.#select()}`,
    ])()
  }
}

/** Gives one text after the other, the same ones for the same seed. */
export const sqlGenerator = (seed: number): (() => string) => {
  const generator = new Generator(seed)
  return () => generator.text()
}
