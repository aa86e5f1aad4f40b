import type { Relabeling } from '@kiln/formats';
import { RelabelRules } from '@kiln/model';
import { UsageRules, type UsageLimits } from './usage.ts';

/** The limits of a tenant that are rules, as the texts that `@kiln/tenant` has checked. */
export interface RuleLimits extends UsageLimits {
  /** ingestion_relabeling_rules. */
  readonly relabelingRules: string;
  /** ingestion_relabeling_default_rules_position. */
  readonly relabelingDefaults: string;
  /** sample_type_relabeling_rules. */
  readonly sampleTypeRules: string;
}

/** Texts that are kept compiled. */
const MAX_KEPT = 1_000;

/** Rules as they are applied. A thread meets the same texts with every push until somebody changes the limits: each is compiled once. */
export class Rules {
  readonly #byText = new Map<string, RelabelRules>();
  readonly #usage = new Map<string, UsageRules>();

  relabeling({ relabelingRules, relabelingDefaults, sampleTypeRules }: RuleLimits): Relabeling {
    return {
      rules: this.#rules(relabelingRules),
      defaults: relabelingDefaults === 'last' || relabelingDefaults === 'disabled' ? relabelingDefaults : 'first',
      sampleTypes: this.#rules(sampleTypeRules),
    };
  }

  usage(limits: UsageLimits): UsageRules {
    const text = `${limits.usageGroups}\n${limits.ingestionLimit}\n${limits.sampling}`;
    return kept(this.#usage, text, () => new UsageRules(limits));
  }

  #rules(text: string): RelabelRules {
    return kept(this.#byText, text, () => RelabelRules.read(JSON.parse(text), 'relabelling rules'));
  }
}

function kept<T>(known: Map<string, T>, text: string, compile: () => T): T {
  const found = known.get(text);
  if (found !== undefined) return found;
  const made = compile();
  if (known.size >= MAX_KEPT) known.clear();
  known.set(text, made);
  return made;
}
