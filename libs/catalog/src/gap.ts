import type { JsonFields } from './json-object.ts';

/** Offsets (after, upTo] that are not exact: a manifest passes them without rows, lost or undecodable, or copies among them could not be told. */
export interface Gap {
  readonly after: number;
  readonly upTo: number;
  /** For people: what happened. */
  readonly reason: string;
  /** Append times around it, Unix milliseconds, as far as known, 0 = not. Answers are flagged up to the last of them: imports reach back from any. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** The fields of a gap as they are written. */
export function gapFields({ after, upTo, reason, fromMs, toMs }: Gap): Gap {
  return { after, upTo, reason, fromMs, toMs };
}

export function readGap(fields: JsonFields): Gap {
  const after = fields.whole('after', -1);
  return {
    after,
    upTo: fields.whole('upTo', after + 1),
    reason: fields.text('reason'),
    fromMs: fields.whole('fromMs'),
    toMs: fields.whole('toMs'),
  };
}
