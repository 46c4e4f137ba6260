// The browser's half of `cargo xtask bench browser`: has one measurement made and posts it back to the server that the page
// came from. What to measure stands in the address: #name=dgcnn&backend=Wasm|WebGpu&runs=10&warm=3, or #candidates=200000
// for the throughput of a search

import { measured } from './measured.js';
import { report, wanted } from './report.js';

const request = wanted.has('candidates')
  ? { Throughput: { candidates: Number(wanted.get('candidates')) } }
  : {
    Forward: {
      name: wanted.get('name') ?? 'dgcnn',
      backend: wanted.get('backend') ?? 'Wasm',
      runs: Number(wanted.get('runs') ?? 10),
      warm: Number(wanted.get('warm') ?? 3),
    },
  };

try {
  await report('/result', await measured(request));
} catch (error) {
  report('/failure', String(error?.message ?? error));
}
