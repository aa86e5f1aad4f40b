import type { ReactNode } from 'react';
import { askRejections } from '../api/calls.ts';
import { Outcome, Panel } from '../app/panel.tsx';
import { usePage } from '../app/page.ts';
import { shortText } from '../app/short-text.ts';
import { agoText, stamp } from '../app/time-range.ts';
import { useAnswer } from '../app/use-answer.ts';

/** The last pushes of this tenant that were refused: why, and what changes it. */
export function Rejections(): ReactNode {
  const { nowMs } = usePage();
  const shown = useAnswer('rejections', askRejections);
  if (shown.trouble?.status === 404) return undefined;
  return (
    <Panel title="Refused pushes" busy={shown.loading}>
      <Outcome
        shown={shown}
        what="refused pushes"
        isEmpty={(rejections) => rejections.length === 0}
        empty={<p>Every push since the server started was taken.</p>}
      >
        {(rejections) => (
          <table className="rejections">
            <thead>
              <tr>
                <th scope="col">Last</th>
                <th scope="col" className="number">
                  Times
                </th>
                <th scope="col">Service</th>
                <th scope="col">Cause, and what changes it</th>
              </tr>
            </thead>
            <tbody>
              {rejections.map(({ last, times, code, reason, message, service }) => (
                <tr key={`${last} ${service} ${message}`}>
                  <td>
                    <time title={stamp(last)}>{agoText(nowMs - last)}</time>
                  </td>
                  <td className="number">{times}</td>
                  <td>{shortText(service, 60)}</td>
                  <td>
                    {message} <span className="hint">({reason === '' ? code : reason})</span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Outcome>
    </Panel>
  );
}
