import { KilnError, type TenantId } from '@kiln/model';
import type { AdHocProfileService, UnaryContext, UnaryMethods } from '@kiln/rpc';
import type { AdHocFile, AdHocFiles } from './adhoc-files.ts';
import type { FileToShow, ShownFile } from './adhoc-graph.ts';

/** A call, and whose files it is about. */
export interface AdHocContext extends UnaryContext {
  readonly tenant: TenantId;
  /** That nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Shows a file, or two beside each other, elsewhere. */
export type Show = (
  context: AdHocContext,
  files: { readonly file: FileToShow; readonly other?: FileToShow },
  asked: { readonly type: string | undefined; readonly maxNodes: bigint | undefined },
) => Promise<ShownFile>;

/**
 * adhocprofiles.v1.AdHocProfileService over files of a tenant (contract/pyroscope.md §1.8). A file is kept once it could be shown.
 * @param admit throws when there is no room for another file.
 */
export function adHocService(
  files: AdHocFiles,
  admit: (tenant: TenantId) => void,
  show: Show,
): UnaryMethods<typeof AdHocProfileService, AdHocContext> {
  return {
    async upload({ name, profile, maxNodes }, context) {
      admit(context.tenant);
      const file = { name, bytes: fromBase64(profile) };
      const shown = await show(context, { file }, { type: undefined, maxNodes });
      return answer(await files.put(context.tenant, name, file.bytes), shown);
    },

    async get({ id, profileType, maxNodes }, context) {
      const file = await files.get(context.tenant, id);
      return answer(file, await show(context, { file }, { type: profileType, maxNodes }));
    },

    async list(_request, { tenant }) {
      return { profiles: (await files.list(tenant)).map(metadata) };
    },

    async diff({ leftId, rightId, profileType, maxNodes }, context) {
      const [file, other] = await Promise.all([leftId, rightId].map((id) => files.get(context.tenant, id)));
      const asked = { type: profileType, maxNodes };
      const { types, flamebearer } = await show(context, { file: file!, other: other! }, asked);
      return { profileTypes: [...types], flamebearerProfile: flamebearer };
    },
  };
}

function answer(file: AdHocFile, { type, types, flamebearer }: ShownFile) {
  return { ...metadata(file), profileType: type, profileTypes: [...types], flamebearerProfile: flamebearer };
}

function metadata({ id, name, uploadedMs }: AdHocFile) {
  return { id, name, uploadedAt: BigInt(uploadedMs) };
}

/** @throws KilnError `invalid_argument`. */
function fromBase64(text: string): Uint8Array {
  const compact = text.replaceAll(/\s/g, '');
  if (compact.length > 0 && compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact))
    return new Uint8Array(Buffer.from(compact, 'base64'));
  throw new KilnError('invalid_argument', 'profile is not base64 of a file');
}
