import protobuf from 'protobufjs';

/** push.v1, querier.v1 and types.v1 of contract §2.1 and §2.2, as far as this version serves them. The pprof inside stays bytes. */
const PROTO = `
syntax = "proto3";
message LabelPair { string name = 1; string value = 2; }
message RawSample { bytes raw_profile = 1; string ID = 2; }
message RawProfileSeries { repeated LabelPair labels = 1; repeated RawSample samples = 2; }
message PushRequest { repeated RawProfileSeries series = 1; }
message PushResponse {}

message ProfileType { string ID = 1; string name = 2; string sample_type = 4; string sample_unit = 5; string period_type = 6; string period_unit = 7; }
message Labels { repeated LabelPair labels = 1; }
message Point { double value = 1; int64 timestamp = 2; }
message Series { repeated LabelPair labels = 1; repeated Point points = 2; }
message FlameGraph { repeated string names = 1; repeated Level levels = 2; int64 total = 3; int64 max_self = 4; }
message Level { repeated int64 values = 1; }
message PprofProfile { bytes profile = 1; }

message ProfileTypesRequest { int64 start = 1; int64 end = 2; }
message ProfileTypesResponse { repeated ProfileType profile_types = 1; }
message LabelValuesRequest { string name = 1; repeated string matchers = 2; int64 start = 3; int64 end = 4; }
message LabelValuesResponse { repeated string names = 1; }
message LabelNamesRequest { repeated string matchers = 1; int64 start = 2; int64 end = 3; }
message LabelNamesResponse { repeated string names = 1; }
message SeriesRequest { repeated string matchers = 1; repeated string label_names = 2; int64 start = 3; int64 end = 4; }
message SeriesResponse { repeated Labels labels_set = 2; }
message SelectMergeStacktracesRequest {
  string profile_typeID = 1; string label_selector = 2; int64 start = 3; int64 end = 4; optional int64 max_nodes = 5; int32 format = 6;
}
message SelectMergeStacktracesResponse { FlameGraph flamegraph = 1; bytes tree = 2; PprofProfile pprof = 5; }
message SelectMergeProfileRequest { string profile_typeID = 1; string label_selector = 2; int64 start = 3; int64 end = 4; optional int64 max_nodes = 5; }
message SelectSeriesRequest {
  string profile_typeID = 1; string label_selector = 2; int64 start = 3; int64 end = 4; repeated string group_by = 5; double step = 6;
  optional int64 limit = 9;
}
message SelectSeriesResponse { repeated Series series = 1; }
`;

const { root } = protobuf.parse(PROTO, { keepCase: false });

/** A message type with plain objects on both sides: lowerCamelCase names, 64-bit numbers as decimal text, bytes as Uint8Array. */
export interface WireMessage {
  encode(value: Record<string, unknown>): Uint8Array;
  decode(bytes: Uint8Array): Record<string, unknown>;
}

function messageOf(name: string): WireMessage {
  const type = root.lookupType(name);
  return {
    encode: (value) => type.encode(type.fromObject(value)).finish(),
    decode: (bytes) => type.toObject(type.decode(bytes), { longs: String, arrays: true, defaults: false }),
  };
}

export const pushMessages: { readonly request: WireMessage; readonly response: WireMessage } = {
  request: messageOf('PushRequest'),
  response: messageOf('PushResponse'),
};

/** Requests and answers of QuerierService by method. SelectMergeProfile answers a pprof, read by `readPprof`. */
export const querierMessages: Readonly<
  Record<string, { readonly request: WireMessage; readonly response: WireMessage | undefined }>
> = {
  ...Object.fromEntries(
    ['ProfileTypes', 'LabelValues', 'LabelNames', 'Series', 'SelectMergeStacktraces', 'SelectSeries'].map((method) => [
      method,
      { request: messageOf(`${method}Request`), response: messageOf(`${method}Response`) },
    ]),
  ),
  SelectMergeProfile: { request: messageOf('SelectMergeProfileRequest'), response: undefined },
};
