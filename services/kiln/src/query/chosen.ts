import { setting, type SettingsFor } from '@kiln/config';

interface ChosenFlags {
  readonly spans: readonly string[];
  readonly traces: readonly string[];
  readonly profileIds: readonly string[];
  readonly callSite: string;
}

/** `--span`, `--trace`, `--profile-id` and `--call-site`: which samples of the selected profiles. */
export const chosenSettings: SettingsFor<ChosenFlags> = {
  spans: setting({
    key: 'span',
    yaml: null,
    type: 'list',
    default: [],
    meaning: 'Samples of these spans only, 16 hex digits each',
  }),
  traces: setting({
    key: 'trace',
    yaml: null,
    type: 'list',
    default: [],
    meaning: 'Samples of these traces only, 32 hex digits each',
  }),
  profileIds: setting({
    key: 'profile-id',
    yaml: null,
    type: 'list',
    default: [],
    meaning: 'These profiles only, as query exemplars lists them',
  }),
  callSite: setting({
    key: 'call-site',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'Stacks that begin with these functions only, root first: main;serve',
  }),
};

/** Fields of a SelectMergeStacktracesRequest in protobuf JSON; those that choose nothing are left out. */
export interface Chosen {
  readonly spanSelector?: readonly string[];
  readonly traceIdSelector?: readonly string[];
  readonly profileIdSelector?: readonly string[];
  readonly stackTraceSelector?: { readonly callSite: readonly { readonly name: string }[] };
}

export function chosenOf({ spans, traces, profileIds, callSite }: ChosenFlags): Chosen {
  return {
    ...(spans.length === 0 ? {} : { spanSelector: spans }),
    ...(traces.length === 0 ? {} : { traceIdSelector: traces }),
    ...(profileIds.length === 0 ? {} : { profileIdSelector: profileIds }),
    ...(callSite === '' ? {} : { stackTraceSelector: { callSite: callSite.split(';').map((name) => ({ name })) } }),
  };
}
