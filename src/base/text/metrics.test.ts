import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram, renderMetrics } from './metrics.ts';

test('families are rendered in the text format, with labels escaped', () => {
  const histogram = new Histogram();
  for (const seconds of [0.001, 0.2, 30]) histogram.observe(seconds);
  const text = renderMetrics([
    { name: 'a_total', help: 'Things', type: 'counter', samples: [[{ name: 'x"\\\n' }, 3]] },
    { name: 'b_seconds', help: 'Times', type: 'histogram', samples: [[{ action: 'run' }, histogram]] },
  ]);
  const lines = text.split('\n');
  assert.equal(lines[0], '# HELP a_total Things');
  assert.equal(lines[1], '# TYPE a_total counter');
  assert.equal(lines[2], 'a_total{name="x\\"\\\\\\n"} 3');
  assert.ok(lines.includes('b_seconds_bucket{action="run",le="0.005"} 1'));
  assert.ok(lines.includes('b_seconds_bucket{action="run",le="0.25"} 2'));
  assert.ok(lines.includes('b_seconds_bucket{action="run",le="+Inf"} 3'));
  assert.ok(lines.includes('b_seconds_count{action="run"} 3'));
});
