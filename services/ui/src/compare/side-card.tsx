import type { ReactNode } from 'react';
import type { Side } from '../app/address.ts';
import { TimePicker } from '../app/time-picker.tsx';
import type { TimeRange } from '../app/time-range.ts';
import { SelectorBar } from '../explore/selector-bar.tsx';
import { readSelector } from '../explore/selector-text.ts';
import { ServiceMenu } from '../explore/service-menu.tsx';
import { Timeline } from '../explore/timeline.tsx';

/** What one side of a comparison is of. */
export function SideCard(props: {
  readonly name: 'Left' | 'Right';
  readonly side: Side;
  readonly range: TimeRange | string;
  /** '' = not known yet; then there is no timeline. */
  readonly kind: string;
  readonly aggregation: 'sum' | 'average';
  readonly onSide: (change: Partial<Side>) => void;
}): ReactNode {
  const { name, side, range, kind, aggregation, onSide } = props;
  const known = typeof range === 'string' ? undefined : range;
  const read = readSelector(side.selector);
  return (
    <div className={`side ${name.toLowerCase()}`} role="group" aria-label={name}>
      <div className="query-bar">
        <b className="side-name">{name}</b>
        {known !== undefined && (
          <ServiceMenu
            selector={side.selector}
            range={known}
            label={`${name} service`}
            onSelector={(selector) => onSide({ selector })}
          />
        )}
        <TimePicker
          key={`${side.from} ${side.until}`}
          from={side.from}
          until={side.until}
          label={`${name} time range`}
          onRange={onSide}
        />
      </div>
      <SelectorBar
        label={`${name} selector`}
        selector={side.selector}
        range={known}
        onSelector={(selector) => onSide({ selector })}
      />
      {typeof range === 'string' ? (
        <p className="problem" role="alert">
          {range}
        </p>
      ) : (
        kind !== '' &&
        read.ok && (
          <Timeline
            selection={{ kind, selector: read.text, range }}
            aggregation={aggregation}
            onZoom={({ fromMs, untilMs }) => onSide({ from: String(fromMs), until: String(untilMs) })}
          />
        )
      )}
    </div>
  );
}
