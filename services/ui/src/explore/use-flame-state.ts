import { usePage } from '../app/page.ts';
import type { FlameState } from '../flame/props.ts';

/** How the frames are shown, as the address has it. Every letter of a search would be a step back, so that leaves none. */
export function useFlameState(): [FlameState, (change: Partial<FlameState>) => void] {
  const { address, go } = usePage();
  const onState = (change: Partial<FlameState>): void => {
    const onlySearch = Object.keys(change).every((name) => name === 'search');
    go({ flame: { ...address.flame, ...change } }, onlySearch ? 'replace' : undefined);
  };
  return [address.flame, onState];
}
