import { ConfigError, type ReadData } from '@kiln/config';
import { RelabelRules } from '@kiln/model';

/** `ingestion_relabeling_rules`. */
export const readRelabelRules: ReadData = (tree, where) => rulesOf(tree, where).tree;

/** `sample_type_relabeling_rules`: they decide which types are kept, so one that would rename a type would do nothing unseen. */
export const readSampleTypeRules: ReadData = (tree, where) => {
  const rules = rulesOf(tree, where).tree as readonly { readonly target_label?: string; readonly action: string }[];
  for (const [i, { action, target_label: target }] of rules.entries()) {
    const renames =
      action !== 'keepequal' && action !== 'dropequal' && (target === '__type__' || target === '__unit__');
    if (renames)
      throw new ConfigError(
        `${where}, rule ${i + 1}, field target_label is ${target}: sample types can be kept or dropped, not renamed`,
      );
  }
  return rules;
};

function rulesOf(tree: unknown, where: string): RelabelRules {
  try {
    return RelabelRules.read(tree, where);
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
}
