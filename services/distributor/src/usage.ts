import type { Random } from '@kiln/async';
import type { Label } from '@kiln/model';
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
  /** The share of such profiles that is kept. */
  readonly share: number;
}

const FREE: Usage = { groups: [], closed: undefined, share: 1 };

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
    const shares = groups.map((group) => entryOf(this.#sampling.usage_groups, group)?.probability ?? 1);
    const names = new Set(groups.length === 0 ? [OTHER_GROUP] : groups.map(({ name }) => name));
    return { groups: [...names], closed, share: Math.min(1, ...shares) };
  }

  /** The refusal of a profile whose group is closed. */
  refusal(group: UsageGroup, nowMs: number): Error {
    return quotaReached(this.#limit, nowMs, group);
  }
}

/** Whether a profile is one of the share that is kept: none of 0, all of 1. */
export function isSampled(share: number, random: Random): boolean {
  return share >= 1 || random() < share;
}
