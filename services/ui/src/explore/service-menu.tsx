import type { ReactNode } from 'react';
import { askLabelValues } from '../api/calls.ts';
import { shortText } from '../app/short-text.ts';
import type { TimeRange } from '../app/time-range.ts';
import { useAnswer } from '../app/use-answer.ts';
import { valueOf, withValue } from './selector-text.ts';

/** Chooses the service that a selector looks at, or all of them. */
export function ServiceMenu(props: {
  readonly selector: string;
  readonly range: TimeRange;
  readonly label: string;
  readonly onSelector: (selector: string) => void;
}): ReactNode {
  const { selector, range, label, onSelector } = props;
  const shown = useAnswer(JSON.stringify(['service names', range]), (client, signal) =>
    askLabelValues(client, 'service_name', '{}', range, signal),
  );
  const service = valueOf(selector, 'service_name');
  const services = shown.value ?? [];
  const gone = service !== undefined && !services.includes(service);
  return (
    <select
      aria-label={label}
      className="service-menu"
      value={service === undefined ? '' : `=${service}`}
      onChange={(event) => {
        const value = event.target.value;
        onSelector(withValue(selector, 'service_name', value === '' ? undefined : value.slice(1)));
      }}
    >
      <option value="">All services</option>
      {gone && (
        <option value={`=${service}`}>
          {shortText(service, 60)}
          {shown.value === undefined ? '' : ' – none here'}
        </option>
      )}
      {services.map((name) => (
        <option key={name} value={`=${name}`}>
          {name === '' ? '(no service name)' : shortText(name, 60)}
        </option>
      ))}
    </select>
  );
}
