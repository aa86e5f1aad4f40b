declare const logBrand: unique symbol;

/** The name of what one writer appends for one partition; lower-case hex, a dash and the partition. Offsets of two logs are never compared. */
export type LogId = string & { readonly [logBrand]: true };

const FORM = /^[0-9a-f]{16,64}-[0-9]{1,6}$/;

/** @param writer lower-case hex, 16 to 64 digits, random or a hash, the same for all partitions of one writer. */
export function makeLogId(writer: string, partition: number): LogId {
  return parseLogId(`${writer}-${partition}`);
}

/** @throws Error when the text is no log id. */
export function parseLogId(text: string): LogId {
  if (!FORM.test(text)) throw new Error(`not a log id: ${JSON.stringify(text)}`);
  return text as LogId;
}
