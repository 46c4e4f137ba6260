// Drives the shipped worker as the page does, for pages that test or measure it, and reports to the server that they came
// from: /step for something reached, /result for the end, /failure for another one.

export const wanted = new URLSearchParams(location.hash.slice(1));

export async function report(path, text) {
  document.getElementById('log').textContent += `${text}\n`;
  await fetch(path, { method: 'POST', body: text });
}
export const step = (text) => report('/step', text);

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
