import { ConfigError, setting, type SettingsFor } from '@kiln/config';
import { ANONYMOUS, KilnError, type Code } from '@kiln/model';
import type { Terminal } from './terminal.ts';

/** Where a command asks what is of no tenant. */
export interface Server {
  /** With `user:password@` for a proxy that asks for them: shown as `addressOf` only. */
  readonly url: string;
  /** `Name: value` each. */
  readonly headers: readonly string[];
}

/** Where a command asks, and as whom. */
export interface Remote extends Server {
  /** '' sends no tenant. */
  readonly tenant: string;
}

/** `--url` and `--header` of every command that asks a server. */
export const serverSettings: SettingsFor<Server> = {
  url: setting({
    key: 'url',
    yaml: null,
    type: 'string',
    default: 'http://127.0.0.1:4040',
    meaning: 'Address of Kiln; https://user:password@host is for a proxy that asks for a password',
  }),
  headers: setting({
    key: 'header',
    yaml: null,
    type: 'repeated',
    default: [],
    isSecret: true,
    meaning: `'Name: value' to send, for a proxy in front; those that stand in KILN_HEADERS, a line each, are sent too`,
  }),
};

/** And `--tenant`, of those that ask about profiles. */
export const remoteSettings: SettingsFor<Remote> = {
  ...serverSettings,
  tenant: setting({
    key: 'tenant',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'Tenant to send in X-Scope-OrgID; empty sends none',
  }),
};

/** A server with the headers of the environment too; those of the command line go before. */
export function withHeadersOf<S extends Server>({ headers }: Pick<Terminal, 'headers'>, server: S): S {
  return { ...server, headers: [...headers, ...server.headers] };
}

/** What is sent. */
export interface Message {
  readonly type: string;
  readonly bytes: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What came back, whatever the status. */
export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
  /** What may be missing from it, as the server says; '' = nothing. */
  readonly missing: string;
  /** What else the server says of it; '' = nothing. */
  readonly note: string;
  /** `Server-Timing`, as it came; '' = not told. */
  readonly timing: string;
  /** `Retry-After`: seconds after which to try again; undefined = not told. */
  readonly retryAfterSeconds: number | undefined;
}

/**
 * One request.
 * @throws KilnError `unavailable` when nothing answers, `invalid_argument` for an address that is none; ConfigError for a header that is none.
 */
export async function ask(
  remote: Server & Partial<Remote>,
  method: 'GET' | 'POST',
  path: string,
  body?: Message,
): Promise<Answer> {
  // Label names beyond letters, digits and _ are told only to who asks for them.
  const headers = new Headers({ Accept: '*/*;allow-utf8-labelnames=true', ...body?.headers });
  const tenant = remote.tenant ?? '';
  if (tenant !== '') headers.set('X-Scope-OrgID', tenant);
  if (body !== undefined) headers.set('Content-Type', body.type);
  const url = urlOf(remote, path);
  setCredentials(headers, url);
  setGiven(headers, remote);
  try {
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body.bytes as Uint8Array<ArrayBuffer> }),
    });
    const missing = response.headers.get('x-kiln-partial') ?? '';
    const note = noteOf(tenant, response.headers);
    const timing = response.headers.get('server-timing') ?? '';
    const wait = /^\d{1,6}$/.exec(response.headers.get('retry-after') ?? '')?.[0];
    const retryAfterSeconds = wait === undefined ? undefined : Number(wait);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, body: bytes, missing, note, timing, retryAfterSeconds };
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const why = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(error);
    throw new KilnError('unavailable', `no answer from ${url.origin} (${why}): ${adviceFor(why)}`, { cause: error });
  }
}

/**
 * One unary call by Connect.
 * @throws KilnError with the code and the sentence that the server answered; as `ask`.
 */
export async function callConnect(remote: Remote, method: string, body: Message): Promise<Answer> {
  const answer = await ask(remote, 'POST', `/${method}`, body);
  if (answer.status === 200) return answer;
  throw errorOf(remote, answer);
}

/** What a server that keeps no tenants apart, or that answers for less than was asked, says of it. */
function noteOf(tenant: string, headers: Headers): string {
  const other = headers.get('x-kiln-tenant');
  const ignored =
    tenant === '' || other !== ANONYMOUS
      ? []
      : [`the server ignored --tenant ${tenant} and took "${other}": it runs without --auth.multitenancy-enabled`];
  return [...ignored, headers.get('x-kiln-note') ?? ''].filter((note) => note !== '').join('; ');
}

/** What a server answered instead, as an error with its code and its sentence. */
export function errorOf(server: Server, { status, body, retryAfterSeconds }: Answer): KilnError {
  const text = new TextDecoder().decode(body);
  try {
    const { code, message } = JSON.parse(text) as { code: Code; message: string };
    if (typeof code === 'string' && typeof message === 'string') {
      const hint = code === 'unauthenticated' ? ': the flag is --tenant NAME' : '';
      return new KilnError(
        code,
        `${message} (${code})${hint}`,
        retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
      );
    }
  } catch {
    // Not Connect's form; below.
  }
  if (status === 401)
    return new KilnError(
      'unauthenticated',
      `${addressOf(server)} answered 401, and not as Kiln does: a proxy in front of it asks who you are; --url https://user:password@host or --header tells it`,
    );
  return new KilnError(
    'unknown',
    `${addressOf(server)} answered ${status} ${JSON.stringify(text.slice(0, 200))}: is it Kiln?`,
  );
}

/** The address without what proves who asks, and without a `/` at its end. */
export function addressOf({ url }: Pick<Server, 'url'>): string {
  return url.replace(/\/+$/, '').replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1');
}

/** What to do about a reason, as Node names it, for which nothing answers. */
function adviceFor(why: string): string {
  if (/^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_)/.test(why))
    return 'its certificate is signed by nobody whom this machine trusts: set NODE_EXTRA_CA_CERTS to a file with the certificate of who signed it';
  if (why === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'its certificate is for another name: --url has to say that one';
  if (why.startsWith('CERT_')) return 'its certificate is not valid, or not today';
  if (/^(EPROTO|ERR_SSL_)/.test(why)) return 'it does not speak TLS as this does: is it http:// there?';
  return 'is Kiln running there? ./kiln start runs it, --url names another address';
}

/** Moves `user:password@` from the address, where fetch refuses it, to the header that it stands for. */
function setCredentials(headers: Headers, url: URL): void {
  if (url.username === '' && url.password === '') return;
  const text = [url.username, url.password].map(decoded).join(':');
  headers.set('Authorization', `Basic ${Buffer.from(text).toString('base64')}`);
  url.username = '';
  url.password = '';
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A header may be a secret, so that no sentence repeats it. */
function setGiven(headers: Headers, { headers: given }: Server): void {
  for (const text of given) {
    const [, name, value] = /^\s*([\w!#$%&'*+.^`|~-]+):([\t\x20-\x7e\x80-\xff]*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined)
      throw new ConfigError("a header of --header or KILN_HEADERS must be like 'Name: value'");
    headers.set(name, value.trim());
  }
}

function urlOf({ url }: Server, path: string): URL {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new KilnError(
      'invalid_argument',
      `--url is ${JSON.stringify(addressOf({ url }))}, must be like http://127.0.0.1:4040`,
    );
  }
  return new URL(url.replace(/\/+$/, '') + path);
}
