import { labelSet, markedName, type LabelSet, type Mark, type Profile } from '@kiln/model';

/** A profile as it is stored with a mark; one that is stripped says so in its labels too (contract/pyroscope.md §4.5). */
export function markProfile(profile: Profile, mark: Mark): Profile {
  const { name, groups } = profile;
  if (!mark.isStripped && mark.annotations.length === 0) return profile;
  return {
    ...profile,
    name: markedName(name, mark),
    groups: mark.isStripped ? groups.map((group) => ({ ...group, series: sampled(group.series) })) : groups,
  };
}

function sampled(labels: LabelSet): LabelSet {
  return labelSet([...labels.filter(({ name }) => name !== '__sampled__'), { name: '__sampled__', value: 'true' }]);
}
