import { KilnError } from '@kiln/model';
import { collapsedStacks } from './collapsed.ts';
import type { FlameNode } from './flame-tree.ts';
import { speedscopeText } from './speedscope.ts';
import { flameSvg } from './svg.ts';
import type { Values } from '../values.ts';

/** What a flame graph can be written as. */
export type Picture = 'svg' | 'collapsed' | 'speedscope';

export function isPicture(format: string): format is Picture {
  return format === 'svg' || format === 'collapsed' || format === 'speedscope';
}

/** A flame graph as text of a format. @param title says what it is of. */
export function pictureOf(picture: Picture, root: FlameNode, title: string, values: Values): string {
  if (picture === 'svg') return flameSvg(root, title, values);
  return picture === 'collapsed' ? collapsedStacks(root, values) : speedscopeText(root, title, values);
}

/** What the ending of a file's name says; undefined for one that says nothing. */
export function formatOfName(file: string): Picture | 'pprof' | 'json' | undefined {
  return byName.find(([pattern]) => pattern.test(file))?.[1];
}

const byName = [
  [/\.svg$/i, 'svg'],
  [/\.(pb|pprof|prof)(\.gz)?$/i, 'pprof'],
  [/\.speedscope(\.json)?$/i, 'speedscope'],
  [/\.json$/i, 'json'],
  [/\.(txt|collapsed|folded)$/i, 'collapsed'],
] as const;

/** @throws KilnError `invalid_argument` for a name whose ending says nothing. */
export function unknownEnding(file: string): KilnError {
  return new KilnError(
    'invalid_argument',
    `${file} has no ending that says what to write: .svg, .pb.gz, .txt, .speedscope.json, .json, or add --output`,
  );
}
