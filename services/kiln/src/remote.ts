import { setting, type SettingsFor } from '@kiln/config';
import { ANONYMOUS, KilnError, type Code } from '@kiln/model';

/** Where a command asks, and as whom. */
export interface Remote {
  readonly url: string;
  /** '' sends no tenant. */
  readonly tenant: string;
}

/** `--url` and `--tenant`, the same everywhere. */
export const remoteSettings: SettingsFor<Remote> = {
  url: setting({
    key: 'url',
    yaml: null,
    type: 'string',
    default: 'http://127.0.0.1:4040',
    meaning: 'Address of Kiln',
  }),
  tenant: setting({
    key: 'tenant',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'Tenant to send in X-Scope-OrgID; empty sends none',
  }),
};

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
}

/**
 * One request.
 * @throws KilnError `unavailable` when nothing answers, `invalid_argument` for an address that is none.
 */
export async function ask(remote: Remote, method: 'GET' | 'POST', path: string, body?: Message): Promise<Answer> {
  // Label names beyond letters, digits and _ are told only to who asks for them.
  const headers: Record<string, string> = { Accept: '*/*;allow-utf8-labelnames=true', ...body?.headers };
  if (remote.tenant !== '') headers['X-Scope-OrgID'] = remote.tenant;
  if (body !== undefined) headers['Content-Type'] = body.type;
  const url = urlOf(remote, path);
  try {
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body.bytes as Uint8Array<ArrayBuffer> }),
    });
    const missing = response.headers.get('x-kiln-partial') ?? '';
    const note = noteOf(remote, response.headers);
    const timing = response.headers.get('server-timing') ?? '';
    return { status: response.status, body: new Uint8Array(await response.arrayBuffer()), missing, note, timing };
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const why = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(error);
    throw new KilnError(
      'unavailable',
      `no answer from ${url.origin} (${why}): is Kiln running there? ./kiln start runs it, --url names another address`,
      { cause: error },
    );
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
function noteOf({ tenant }: Remote, headers: Headers): string {
  const other = headers.get('x-kiln-tenant');
  const ignored =
    tenant === '' || other !== ANONYMOUS
      ? []
      : [`the server ignored --tenant ${tenant} and took "${other}": it runs without --auth.multitenancy-enabled`];
  return [...ignored, headers.get('x-kiln-note') ?? ''].filter((note) => note !== '').join('; ');
}

/** What a server answered instead, as an error with its code and its sentence. */
export function errorOf({ url }: Remote, { status, body }: Answer): KilnError {
  const text = new TextDecoder().decode(body);
  try {
    const { code, message } = JSON.parse(text) as { code: Code; message: string };
    if (typeof code === 'string' && typeof message === 'string') {
      const hint = code === 'unauthenticated' ? ': the flag is --tenant NAME' : '';
      return new KilnError(code, `${message} (${code})${hint}`);
    }
  } catch {
    // Not Connect's form; below.
  }
  return new KilnError('unknown', `${url} answered ${status} ${JSON.stringify(text.slice(0, 200))}: is it Kiln?`);
}

function urlOf({ url }: Remote, path: string): URL {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new KilnError('invalid_argument', `--url is ${JSON.stringify(url)}, must be like http://127.0.0.1:4040`);
  }
  return new URL(url.replace(/\/+$/, '') + path);
}
