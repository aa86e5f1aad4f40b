import type { Random } from '@kiln/async';
import type { Annotation, Label } from '@kiln/model';
import {
  entryOf,
  OTHER_GROUP,
  parseIngestionLimit,
  UsageGroups,
  type IngestionLimit,
  type Sampling,
  type UsageGroup,
} from '@kiln/tenant';
import { quotaReached } from './quota.ts';

/** The limits of a tenant that concern its usage groups, as the texts that `@kiln/tenant` has checked. */
export interface UsageLimits {
  /** distributor_usage_groups. */
  readonly usageGroups: string;
  /** ingestion_limit. */
  readonly ingestionLimit: string;
  /** distributor_sampling. */
  readonly sampling: string;
}

/** What a profile's labels say of it. */
export interface Usage {
  /** The groups under which it is counted; none when the tenant has no groups. */
  readonly groups: readonly string[];
  /** The group whose quota is reached, if any. */
  readonly closed: UsageGroup | undefined;
  /** The share of such profiles that is kept, and the group whose share it is. */
  readonly share: number;
  readonly sharing: UsageGroup | undefined;
}

const FREE: Usage = { groups: [], closed: undefined, share: 1, sharing: undefined };

/** What holds for the usage groups of one tenant, compiled. */
export class UsageRules {
  readonly #groups: UsageGroups;
  readonly #limit: IngestionLimit;
  readonly #sampling: Sampling;

  constructor({ usageGroups, ingestionLimit, sampling }: UsageLimits) {
    this.#groups = new UsageGroups(usageGroups);
    this.#limit = parseIngestionLimit(ingestionLimit);
    this.#sampling = JSON.parse(sampling) as Sampling;
  }

  /** @param labels as pushed. */
  of(labels: readonly Label[]): Usage {
    if (this.#groups.length === 0) return FREE;
    const byName = new Map(labels.filter(({ value }) => value !== '').map(({ name, value }) => [name, value]));
    if (!byName.has('service_name')) byName.set('service_name', 'unknown_service');
    const groups = this.#groups.of(byName);
    const closed = groups.find((group) => entryOf(this.#limit.usage_groups, group)?.limit_reached === true);
    let share = 1;
    let sharing: UsageGroup | undefined;
    for (const group of groups) {
      const own = entryOf(this.#sampling.usage_groups, group)?.probability ?? 1;
      if (own < share) [share, sharing] = [own, group];
    }
    const names = new Set(groups.length === 0 ? [OTHER_GROUP] : groups.map(({ name }) => name));
    return { groups: [...names], closed, share, sharing };
  }

  /**
   * What is said of the points of such a profile: that others like it may be missing (contract/pyroscope.md §4.9, contract/clients.md §2.5). Groups are named as
   * declared, because profiles of different annotations are stored apart.
   * @param hasPass a quota that is reached let it through.
   */
  annotations({ closed, share, sharing }: Usage, hasPass: boolean): Annotation[] {
    const annotations: Annotation[] = [];
    if (hasPass && (this.#limit.limit_reached === true || closed !== undefined))
      annotations.push(annotation('pyroscope.ingest.throttled', throttled(this.#limit, closed)));
    if (share < 1)
      annotations.push(
        annotation('pyroscope.ingest.sampled', { usageGroup: sharing?.declared ?? '', probability: share }),
      );
    return annotations;
  }

  /** The refusal of a profile whose group is closed. */
  refusal(group: UsageGroup, nowMs: number): Error {
    return quotaReached(this.#limit, nowMs, group);
  }
}

function annotation(key: string, body: Readonly<Record<string, string | number>>): Annotation {
  return { key, value: JSON.stringify({ body }) };
}

function throttled(limit: IngestionLimit, group: UsageGroup | undefined): Readonly<Record<string, string | number>> {
  const { period_type: periodType = '', limit_reset_time: limitResetTime = 0, sampling } = limit;
  const mb = limit.limit_reached === true || group === undefined ? limit : entryOf(limit.usage_groups, group);
  return {
    periodType,
    periodLimitMb: mb?.period_limit_mb ?? 0,
    limitResetTime,
    samplingPeriodSec: (sampling?.periodMs ?? 0) / 1000,
    samplingRequests: sampling?.num_requests ?? 0,
    usageGroup: limit.limit_reached === true ? '' : (group?.declared ?? ''),
  };
}

/** Whether a profile is one of the share that is kept: none of 0, all of 1. */
export function isSampled(share: number, random: Random): boolean {
  return share >= 1 || random() < share;
}
