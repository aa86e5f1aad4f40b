/** Why an answer is none. */
export interface Trouble {
  /**
   * `away`: nobody answered, or who answered cannot yet; `tenant`: the server wants to know whose data; `refused`: the question is at fault;
   * `fault`: the server is; `left`: nobody waits for the answer any more.
   */
  readonly kind: 'away' | 'tenant' | 'refused' | 'fault' | 'left';
  /** Of HTTP; 0 = no answer came. */
  readonly status: number;
  /** The server's sentence, or ours. */
  readonly message: string;
}

/** What the server says about an answer. */
export interface Note {
  /** Some data could not be read: what is not in the answer may be there all the same. */
  readonly isPartial: boolean;
  readonly text: string;
}

/** What came back: errors are values. */
export type Answer<T> =
  | { readonly ok: true; readonly value: T; readonly notes: readonly Note[] }
  | { readonly ok: false; readonly trouble: Trouble };

/** Told of every answer, for what concerns the whole page. */
export interface Contact {
  /** The server answered; `single` when it keeps one tenant, whatever it is told. */
  reached(single: boolean): void;
  /** It did not, or wants a tenant. */
  troubled(trouble: Trouble): void;
}

/** Asks the server that the page came from, for one tenant. */
export class Client {
  readonly #base: string;
  readonly #tenant: string;
  readonly #contact: Contact;

  /**
   * @param base address that those of the API are relative to: that of the page.
   * @param tenant '' sends none.
   */
  constructor(base: string, tenant: string, contact: Contact) {
    this.#base = base;
    this.#tenant = tenant;
    this.#contact = contact;
  }

  /** A method of a Connect service, in JSON (https://connectrpc.com/docs/protocol#unary-request). */
  call<T>(method: string, message: unknown, signal: AbortSignal): Promise<Answer<T>> {
    const headers = { 'Content-Type': 'application/json', Accept: 'application/json; allow-utf8-labelnames=true' };
    return this.#ask(method, { method: 'POST', headers, body: JSON.stringify(message), signal }, readJson<T>);
  }

  /** A read by GET (docs/api.md). */
  get<T>(path: string, params: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer<T>> {
    return this.#ask(withParams(path, params), { signal }, readJson<T>);
  }

  /** A read by GET whose answer is a file. */
  file(path: string, params: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer<Blob>> {
    return this.#ask(withParams(path, params), { signal }, (response) => response.blob());
  }

  /** Whether the server takes queries. Says nothing of tenants, and is no contact. */
  async isReady(signal: AbortSignal): Promise<boolean> {
    try {
      return (await fetch(new URL('ready', this.#base), { signal, cache: 'no-store' })).ok;
    } catch {
      return false;
    }
  }

  async #ask<T>(path: string, init: RequestInit, read: (response: Response) => Promise<T>): Promise<Answer<T>> {
    const headers = new Headers(init.headers);
    if (this.#tenant !== '') headers.set('X-Scope-OrgID', this.#tenant);
    try {
      const response = await fetch(new URL(path, this.#base), { ...init, headers, cache: 'no-store' });
      if (!response.ok) return this.#failed(troubleOf(response.status, await response.text()));
      const value = await read(response);
      const owner = response.headers.get('X-Kiln-Tenant');
      this.#contact.reached(this.#tenant === '' || (owner === 'anonymous' && this.#tenant !== owner));
      return { ok: true, value, notes: notesOf(response.headers) };
    } catch (error) {
      if (init.signal?.aborted === true) return { ok: false, trouble: { kind: 'left', status: 0, message: 'Left.' } };
      const message = `The server at ${new URL('.', this.#base).href} does not answer (${String(error)}).`;
      return this.#failed({ kind: 'away', status: 0, message });
    }
  }

  #failed(trouble: Trouble): Answer<never> {
    this.#contact.troubled(trouble);
    return { ok: false, trouble };
  }
}

/** The headers by which an answer says what it lacks (docs/api.md). */
function notesOf(headers: Headers): Note[] {
  const partial = headers.get('X-Kiln-Partial');
  const note = headers.get('X-Kiln-Note');
  return [
    ...(partial === null ? [] : [{ isPartial: true, text: partial }]),
    ...(note === null ? [] : [{ isPartial: false, text: note }]),
  ];
}

async function readJson<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

function withParams(path: string, params: Readonly<Record<string, string>>): string {
  return `${path}?${new URLSearchParams(params).toString()}`;
}

/** A refusal as Kiln words it, `{"code","message"}`, or as a proxy before it does. */
export function troubleOf(status: number, body: string): Trouble {
  const message = sentenceOf(body) ?? `The server answered ${status}: ${body.slice(0, 200) || 'nothing more'}.`;
  if (status === 401) return { kind: 'tenant', status, message };
  if (status === 502 || status === 503 || status === 504) return { kind: 'away', status, message };
  return { kind: status < 500 ? 'refused' : 'fault', status, message };
}

function sentenceOf(body: string): string | undefined {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === 'string' && message !== '' ? message : undefined;
  } catch {
    return undefined;
  }
}
