import { expect, it } from 'vitest';
import { amountText } from '@kiln/model';
import { axisSteps } from './axis-steps.ts';

it.each(['bytes', 'nanoseconds', 'milliseconds', 'seconds'])(
  'steps of %s are whole in the unit they are shown in',
  (unit) => {
    const steps = axisSteps(unit)!;
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    for (const step of steps) expect(amountText(step, unit), `${step}`).toMatch(/^\d+\.0 |^\d+ (ns|bytes)$/);
  },
);

it('steps of counts are those of the chart', () => {
  expect(axisSteps('count')).toBeUndefined();
});
