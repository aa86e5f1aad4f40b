import { setting, type SettingsFor } from '@kiln/config';
import { KilnError } from '@kiln/model';
import {
  addressOf,
  ask,
  callConnect,
  errorOf,
  remoteSettings,
  withHeadersOf,
  type Answer,
  type Remote,
} from '../remote.ts';
import type { Terminal } from '../terminal.ts';

/** Which server is asked, and whether it is told what the answer took. */
export interface QueryRemote extends Remote {
  readonly stats: boolean;
}

/** `--url`, `--header`, `--tenant` and `--stats`, the same for every question. */
export const queryRemoteSettings: SettingsFor<QueryRemote> = {
  ...remoteSettings,
  stats: setting({
    key: 'stats',
    yaml: null,
    type: 'bool',
    default: false,
    meaning: 'Tell on stderr what the answer took: reads, bytes, and the resolution of the roll-ups that were used',
  }),
};

/** querier.v1.ProfileTypesResponse in protobuf JSON. */
export interface ProfileTypesJson {
  readonly profileTypes?: readonly {
    readonly ID?: string;
    readonly name?: string;
    readonly sampleType?: string;
    readonly sampleUnit?: string;
    readonly periodType?: string;
    readonly periodUnit?: string;
  }[];
}

/** Which server is asked, and where it is told that something is missing. */
export interface Asker {
  readonly remote: QueryRemote;
  readonly terminal: Terminal;
}

/**
 * One method of querier.v1.QuerierService; the answer as bytes. What may be missing from it, and what else the server says of it, is told on stderr.
 * @throws KilnError with the code and the sentence that the server answered.
 */
export async function askQuerier(
  asker: Asker,
  method: string,
  body: { type: string; bytes: Uint8Array },
): Promise<Uint8Array> {
  return told(
    asker,
    await callConnect(withHeadersOf(asker.terminal, asker.remote), `querier.v1.QuerierService/${method}`, body),
  );
}

/** The body, after what the headers say of it. */
function told({ remote, terminal }: Asker, answer: Answer): Uint8Array {
  if (answer.note !== '') terminal.err(`note: ${answer.note}\n`);
  if (answer.missing !== '') terminal.err(`the answer is partial, it may lack profiles: ${answer.missing}\n`);
  if (remote.stats) terminal.err(`${statsText(answer.timing)}\n`);
  return answer.body;
}

/** `Server-Timing` in words. */
function statsText(timing: string): string {
  const [, ms, read] = /^read;dur=([\d.]+);desc="([^"]*)"/.exec(timing) ?? [];
  return ms === undefined ? 'the server does not say what the answer took' : `read in ${ms} ms: ${read}`;
}

/** As `askQuerier`, in protobuf JSON: 64-bit integers are strings, empty things are left out. */
export async function askQuerierJson<T>(asker: Asker, method: string, message: object): Promise<T> {
  const bytes = new TextEncoder().encode(JSON.stringify(message));
  const body = await askQuerier(asker, method, { type: 'application/json', bytes });
  return json(asker, body, (text): unknown => JSON.parse(text)) as T;
}

/** A GET of docs/api.md, with every number as its digits. What may be missing is told as in `askQuerier`. @throws as `askQuerier`. */
export async function askApi<T>(asker: Asker, path: string): Promise<T> {
  const answer = await ask(withHeadersOf(asker.terminal, asker.remote), 'GET', path);
  if (answer.status !== 200) throw errorOf(asker.remote, answer);
  return json(asker, told(asker, answer), (text) =>
    parseWithSource(text, (_, value, { source }) => (typeof value === 'number' ? source : value)),
  ) as T;
}

/** `JSON.parse` as of ECMAScript 2026, where the reviver sees the text of a number. */
const parseWithSource = JSON.parse as (
  text: string,
  reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown;

function json(asker: Asker, body: Uint8Array, parse: (text: string) => unknown): unknown {
  const text = new TextDecoder().decode(body);
  try {
    return parse(text);
  } catch (error) {
    const found = JSON.stringify(text.slice(0, 200));
    throw new KilnError('unknown', `${addressOf(asker.remote)} answered ${found}, which is not JSON: is it Kiln?`, {
      cause: error,
    });
  }
}
