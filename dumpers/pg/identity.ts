/** Who a session is: what the startup message asked, what the server reported, what SET ROLE made of it. */
import type { Who } from '../../src/event.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Most characters of a name that a client gave: the server's own names end at 63 bytes. */
const MAX_NAME = 256
/** Most savepoints of one transaction that are remembered. */
const MAX_SAVEPOINTS = 1000

/** The role as a savepoint found it. */
interface Savepoint {
  readonly name: string
  readonly role: string | undefined
  readonly roleAtEnd: string | undefined
  readonly roleIsLocal: boolean
}

const cut = (text: string): string => (text.length > MAX_NAME ? text.slice(0, MAX_NAME) : text)

export class Identity {
  #facts: Mutable<Who> = { dialect: 'postgresql' }
  #who: Who | undefined
  /** session_authorization as the server reports it */
  #sessionUser: string | undefined
  #initialRole: string | undefined
  /** current role by SET ROLE; undefined is NONE */
  #role: string | undefined
  /** roles to go back to when the transaction rolls back, and when it ends (SET LOCAL) */
  #roleAtBegin: string | undefined
  #roleAtEnd: string | undefined
  #roleIsLocal = false
  #savepoints: Savepoint[] = []

  /** Immutable, and the same object until something changes. */
  get who(): Who {
    this.#who ??= Object.freeze({ ...this.#facts })
    return this.#who
  }

  get database(): string | undefined {
    return this.#facts.database
  }

  set<K extends keyof Who>(key: K, value: Who[K] | undefined): void {
    const known = typeof value === 'string' ? cut(value) : value
    if (this.#facts[key] === known) return
    if (known === undefined) delete this.#facts[key]
    else Object.assign(this.#facts, { [key]: known })
    this.#who = undefined
  }

  /** ParameterStatus of a parameter that tells who the session is. */
  reported(name: string, value: string): void {
    if (name === 'application_name') this.set('application_name', value === '' ? undefined : value)
    else if (name === 'server_version') this.set('server_version', value)
    else if (name === 'is_superuser') this.set('is_superuser', value === 'on')
    else if (name === 'session_authorization') {
      // some servers report it empty: that says nothing
      this.#sessionUser = value === '' ? undefined : value
      this.#role = undefined
      this.#effective()
    }
  }

  /** SET [LOCAL] ROLE succeeded; null is NONE. SET ROLE is not reported, so it is read from its text. */
  setRole(role: string | null, local: boolean): void {
    if (local && !this.#roleIsLocal) {
      this.#roleAtEnd = this.#role
      this.#roleIsLocal = true
    } else if (!local) this.#roleIsLocal = false
    this.#role = role ?? undefined
    this.#effective()
  }

  /** The session begins in a role, to which RESET ROLE goes back. */
  beginAs(role: string): void {
    this.#initialRole = role === 'none' ? undefined : role
    this.resetRole()
    this.transactionEnded(false)
  }

  /** RESET ROLE succeeded. */
  resetRole(): void {
    this.setRole(this.#initialRole ?? null, false)
  }

  savepoint(name: string): void {
    if (this.#savepoints.length >= MAX_SAVEPOINTS) return
    const [role, roleAtEnd, roleIsLocal] = [this.#role, this.#roleAtEnd, this.#roleIsLocal]
    this.#savepoints.push({ name, role, roleAtEnd, roleIsLocal })
  }

  /** ROLLBACK TO a savepoint, which stays: the role is again what it was there. */
  rolledBackTo(name: string): void {
    const index = this.#savepoints.findLastIndex((savepoint) => savepoint.name === name)
    const found = this.#savepoints[index]
    if (found === undefined) return
    this.#savepoints.length = index + 1
    this.#role = found.role
    this.#roleAtEnd = found.roleAtEnd
    this.#roleIsLocal = found.roleIsLocal
    this.#effective()
  }

  /** A transaction is over: a role set in one that was rolled back, or set for it alone, is gone. */
  transactionEnded(rolledBack: boolean): void {
    if (this.#role === this.#roleAtBegin && !this.#roleIsLocal) return
    if (rolledBack) this.#role = this.#roleAtBegin
    else if (this.#roleIsLocal) this.#role = this.#roleAtEnd
    this.#roleIsLocal = false
    if (this.#savepoints.length > 0) this.#savepoints = []
    this.#roleAtBegin = this.#role
    this.#effective()
  }

  #effective(): void {
    const user = this.#role ?? this.#sessionUser
    this.set('effective_username', user === this.#facts.username ? undefined : user)
  }
}
