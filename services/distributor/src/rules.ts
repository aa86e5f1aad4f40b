import type { Relabeling } from '@kiln/formats';
import { RelabelRules } from '@kiln/model';

/** The limits of a tenant that are rules, as the texts that `@kiln/tenant` has checked. */
export interface RuleLimits {
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

  relabeling({ relabelingRules, relabelingDefaults, sampleTypeRules }: RuleLimits): Relabeling {
    return {
      rules: this.#compiled(relabelingRules),
      defaults: relabelingDefaults === 'last' || relabelingDefaults === 'disabled' ? relabelingDefaults : 'first',
      sampleTypes: this.#compiled(sampleTypeRules),
    };
  }

  #compiled(text: string): RelabelRules {
    let rules = this.#byText.get(text);
    if (rules === undefined) {
      rules = RelabelRules.read(JSON.parse(text), 'relabelling rules');
      if (this.#byText.size >= MAX_KEPT) this.#byText.clear();
      this.#byText.set(text, rules);
    }
    return rules;
  }
}
