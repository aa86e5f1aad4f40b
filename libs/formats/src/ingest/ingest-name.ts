import { KilnError, type Label } from '@kiln/model';

/** The parameter `name` of `/ingest`. */
export interface IngestName {
  readonly app: string;
  /** In the order given; `__name__` and other `__` labels already taken out, `__session_id__` kept. */
  readonly labels: readonly Label[];
  /** What stands where a label should, or behind the end, and is passed over; '' for nothing. */
  readonly passedOver: string;
}

const appForm = /^[A-Za-z0-9_.\-/]+$/;
const labelForm = /^[A-Za-z0-9_.]+$/;

/**
 * Reads `app{key=value,key2=value2}` (contract/pyroscope.md §3.1): braces optional, keys and values trimmed, nothing quoted. What has no `=` is
 * passed over, as there: clients send values with a comma in them. A value without `,` or `}` behind it is refused: its label would be lost, and no client
 * sends that.
 * @throws KilnError `invalid_argument`.
 */
export function parseIngestName(text: string): IngestName {
  const open = text.indexOf('{');
  let app = (open < 0 ? text : text.slice(0, open)).trim();
  const labels: Label[] = [];
  let rest = open < 0 ? '' : text.slice(open + 1);
  while (!/^\s*(\}|$)/.test(rest)) {
    const equals = rest.indexOf('=');
    if (equals < 0) break;
    const name = rest.slice(0, equals).trim();
    const end = rest.slice(equals + 1).search(/[,}]/);
    if (end < 0)
      throw bad(
        `label ${JSON.stringify(rest.slice(0, 80))} without an end in the parameter name`,
        'labels that end with , or }, as in name=app{key=value}',
      );
    const value = rest.slice(equals + 1, equals + 1 + end).trim();
    const closed = rest[equals + 1 + end] === '}';
    rest = rest.slice(equals + (closed ? 1 : 2) + end);
    if (!labelForm.test(name))
      throw bad(`label name ${JSON.stringify(name.slice(0, 80))} in the parameter name`, 'letters, digits, _ and .');
    if (name === '__name__') app = value;
    else if (!name.startsWith('__') || name === '__session_id__') labels.push({ name, value });
  }
  if (app === '') throw bad('the parameter name without an application', 'name=app{key=value}');
  if (!appForm.test(app)) throw bad(`application name ${JSON.stringify(app.slice(0, 80))}`, 'letters, digits, _ . - /');
  return { app, labels, passedOver: rest.replace(/^\s*\}/, '').trim() };
}

function bad(found: string, allowed: string): KilnError {
  return new KilnError('invalid_argument', `invalid ${found}: allowed are ${allowed}`, { reason: 'invalid_labels' });
}
