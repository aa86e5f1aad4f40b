/**
 * What a flame graph is drawn from: `names`, and levels from the root with four numbers per node, left to right (docs/api.md):
 * distance of its left edge from the right edge of the node before it, total, self, index in `names`.
 */
export interface FlameData {
  readonly names: readonly string[];
  readonly levels: readonly (readonly number[])[];
  /** Of all samples of the view: what shares are of. */
  readonly total: number;
  /** Of the values: `nanoseconds`, `bytes`, `count`, … */
  readonly unit: string;
  /** What was sampled, for example the profile type: the tooltip says it. */
  readonly kind?: string;
}

/** A row of the table, of all samples, whatever the graph leaves out. Values in the unit of the profile type. */
export interface FunctionRow {
  readonly name: string;
  readonly flat: number;
  readonly cum: number;
  /** The values for people as the server wrote them: from all digits, of which a number holds 2^53. */
  readonly flatText?: string;
  readonly cumText?: string;
}

/** Two profiles over one tree: seven numbers per node, as `querier.v1.FlameGraphDiff`. */
export interface FlameDiffData {
  readonly names: readonly string[];
  readonly levels: readonly (readonly number[])[];
  readonly leftTotal: number;
  readonly rightTotal: number;
  readonly unit: string;
  readonly kind?: string;
}

/** How the frames are shown; every part of it is in the address of the page. */
export interface FlameState {
  /** Text, one name between quotes, or a regular expression between slashes; '' = none. */
  readonly search: string;
  /** Names from the root to the frame that is clicked; empty = the root. */
  readonly focus: readonly string[];
  /** The function of the sandwich view; undefined = the graph. */
  readonly sandwich: string | undefined;
  /** From the leaves to the root. */
  readonly inverted: boolean;
  readonly colours: 'package' | 'self';
}
/**
 * Props of `<FlameGraph>`, which brings its own tools: search, direction, colours, what is focused, and the view of callers and callees. It is as high as
 * it needs, at most `--flame-height`; so is `<FunctionTable>`.
 */
export interface FlameGraphProps {
  readonly data: FlameData | FlameDiffData;
  /**
   * Of the stacks alone that a function is in (`function=` of docs/api.md), where they were asked for: callers and callees of it then lose nothing to
   * frames that are too small for the whole graph.
   */
  readonly through?: { readonly functionName: string; readonly data: FlameData } | undefined;
  readonly state: FlameState;
  readonly onState: (change: Partial<FlameState>) => void;
  readonly theme: 'light' | 'dark';
}

/** Props of `<FunctionTable>`. */
export interface FunctionTableProps {
  readonly rows: readonly FunctionRow[];
  /** How many functions there are, listed or not. */
  readonly count: number;
  readonly total: number;
  readonly unit: string;
  readonly state: FlameState;
  readonly onState: (change: Partial<FlameState>) => void;
}
