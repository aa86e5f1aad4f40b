import {
  create,
  fromBinary,
  fromJson,
  toBinary,
  toJsonString,
  type DescMethod,
  type DescService,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { KilnError } from '@kiln/model';
import { EncodedAnswer } from './encoded-answer.ts';

/** What a method is told beside its message, and may say beside its answer. */
export interface UnaryContext {
  /** A header of the request, '' when it has none. */
  header(name: string): string;
  /** Sets a header of the answer. */
  setHeader(name: string, value: string): void;
}

/** The methods of a service by their names in code; those left out are `unimplemented`. */
export type UnaryMethods<S extends DescService, C extends UnaryContext = UnaryContext, Encoded = EncodedAnswer> = {
  readonly [M in keyof S['method']]?: (
    request: MessageShape<S['method'][M]['input']>,
    context: C,
  ) => Promise<MessageInitShape<S['method'][M]['output']> | Encoded>;
};

/** Calls a method with an encoded message. @returns the encoded answer. */
export type UnaryService<C extends UnaryContext = UnaryContext> = (
  method: string,
  isJson: boolean,
  message: Uint8Array,
  context: C,
) => Promise<Uint8Array>;

/**
 * A service whose messages are encoded by the rules of contract/pyroscope.md §1.5: protobuf, or canonical JSON of which unknown fields and unknown
 * enum names are ignored.
 * @throws (the calls) KilnError `invalid_argument` for a message that cannot be read; `unimplemented` for a method that is not answered, with status
 * 404 when the service has none of that name; what the method throws.
 */
export function unaryService<S extends DescService, C extends UnaryContext>(
  service: S,
  methods: UnaryMethods<S, C>,
): UnaryService<C> {
  const byName = new Map(service.methods.map((method) => [method.name, method]));
  return async (name, isJson, message, context) => {
    const method = byName.get(name);
    if (method === undefined)
      throw new KilnError('unimplemented', `${service.typeName} has no method ${JSON.stringify(name.slice(0, 100))}`, {
        httpStatus: 404,
      });
    const answer = methods[method.localName as keyof UnaryMethods<S, C>] as Untyped<C> | undefined;
    if (answer === undefined)
      throw new KilnError('unimplemented', `${service.typeName}.${name} is not in this version`);
    const request = isJson ? readJson(method, message) : readBinary(method, message);
    const said = await answer(request, context);
    if (said instanceof EncodedAnswer) return isJson ? said.toJson() : said.toBinary();
    const reply = create(method.output, said);
    return isJson ? encoder.encode(toJsonString(method.output, reply)) : toBinary(method.output, reply);
  };
}

type Untyped<C> = (request: unknown, context: C) => Promise<MessageInitShape<DescMethod['output']> | EncodedAnswer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

function readBinary(method: DescMethod, message: Uint8Array): unknown {
  try {
    return fromBinary(method.input, message);
  } catch (error) {
    throw unreadable(method, 'protobuf', error);
  }
}

function readJson(method: DescMethod, message: Uint8Array): unknown {
  if (message.length === 0)
    throw new KilnError('invalid_argument', `the JSON body is empty: {} is an empty ${method.input.name}`);
  try {
    const json = JSON.parse(decoder.decode(message), exactInteger as Reviver) as JsonValue;
    return fromJson(method.input, json, { ignoreUnknownFields: true });
  } catch (error) {
    throw unreadable(method, 'JSON', error);
  }
}

/** What JSON.parse calls for each value; types know nothing of the third argument yet. */
type Reviver = Parameters<typeof JSON.parse>[1];

/** An integer beyond 2^53 as its text, which an int64 is read from exactly: a double would have rounded it. */
function exactInteger(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  return source !== undefined && /^-?\d+$/.test(source) ? source : value;
}

function unreadable({ input }: DescMethod, form: string, error: unknown): KilnError {
  const why = error instanceof Error ? error.message : String(error);
  return new KilnError('invalid_argument', `the body is not ${form} of ${input.typeName}: ${why.slice(0, 300)}`);
}
