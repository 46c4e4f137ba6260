// Drives the shipped worker as the page does, for pages that test or measure it.

import { report } from './report.js';

export { report, step, wanted } from './report.js';

// An event is an object with one field, its variant; serde may also write a Map.
const plain = (value) => (value instanceof Map ? Object.fromEntries([...value].map(([k, v]) => [k, plain(v)])) : value);

const queue = [];
let wake = () => {};
const worker = new Worker('worker.js', { type: 'module' });
worker.onerror = (event) => report('/failure', `the worker stopped: ${event.message}`);
worker.onmessage = ({ data }) => { queue.push(plain(data)); wake(); };
export const say = (intent) => worker.postMessage(intent);

// The next event of which `wanted` makes something; those before it are gone.
export async function until(wanted) {
  for (;;) {
    while (queue.length) {
      const found = wanted(queue.shift());
      if (found) return found;
    }
    await new Promise((resolve) => { wake = resolve; });
  }
}

// Nobody waits for what has come in so far.
export function forget() { queue.length = 0; }

// Starts the engine; the worker's first message is its own module, compiled.
export async function start(edge, link) {
  worker.postMessage(await WebAssembly.compileStreaming(fetch('device_bg.wasm')));
  await until((event) => event.Ready);
  say({ Start: { base_url: './', preference: { Only: 'Wasm' }, edge, link } });
}

// The operations of a plan without its own communicates (operation 5), as pairs of id and function.
export function operations(plan) {
  const [ids, functions] = plan.split(',').map((list) => list.trim().split(/\s+/));
  return ids.map((id, at) => [id, functions[at]]).filter(([id]) => id !== '5');
}

// The next frame; why there is none, if something failed.
export async function frame() {
  const event = await until((found) => (found.Frame || found.Failed ? found : null));
  if (event.Failed) throw new Error(`${JSON.stringify(event.Failed.what)}: ${event.Failed.why}`);
  return event.Frame;
}

// The next frame that goes as planned; while a network is being deployed, frames are finished here, fast.
export async function planned() {
  const end = performance.now() + 20000;
  let why = '';
  while (performance.now() < end) {
    const answer = await frame();
    if (answer.outcome === 'AsPlanned') return answer;
    why = answer.outcome.Local?.why ?? answer.outcome.Failed?.why;
  }
  throw new Error(`frames did not go as planned: ${why}`);
}

// Milliseconds on the device, up, on the edge, down, and in all.
export function stages(frame) {
  const lane = (name) => frame.spans.filter((span) => span.lane === name)
    .reduce((sum, span) => sum + span.end_ms - span.start_ms, 0);
  return [lane('Device'), lane('Uplink'), lane('Edge'), lane('Downlink'), frame.total_ms];
}

// Loads a network, by name or as a text form.
export async function load(name) {
  say({ Network: name });
  const network = await until((event) => event.Network ?? (event.Failed ? { failed: event.Failed.why } : null));
  if (network.failed) throw new Error(`${name}: ${network.failed}`);
  return network;
}

export async function stopStream() {
  say('Stop');
  await until((event) => (event.Stream && !event.Stream.running ? event : null));
}

// Measures this browser and the edge, from a network that the edge holds: until then there is nobody to measure.
export async function profile() {
  await load('gnn10');
  say({ Generate: { class: 2, seed: 3 } });
  say({ RunStream: { in_flight: 1 } });
  await planned();
  await stopStream();
  say({ Profile: { quick: false } });
  for (;;) {
    const event = await until((found) => (found.Profile || found.Failed ? found : null));
    if (event.Failed) throw new Error(`${JSON.stringify(event.Failed.what)}: ${event.Failed.why}`);
    if (event.Profile.rows > 0) return event.Profile;
  }
}

export const UNSHAPED = { mbps: 0, delay_ms: 0, jitter_ms: 0 };

// Median stages of so many frames of what is loaded, under a link. Weights go to the edge unshaped: they are no part of
// a frame.
export async function measure(shape, runs) {
  say({ Shape: UNSHAPED });
  say({ RunStream: { in_flight: 1 } });
  await planned();
  say({ Shape: shape });
  await planned(); // it may have been on its way already
  await planned();
  const measured = [];
  while (measured.length < runs) measured.push(stages(await planned()));
  await stopStream();
  return measured;
}
