// The browser's half of `cargo xtask bench browser`: starts the shipped worker, asks it for one measurement and posts
// the answer back to the server that the page came from. What to measure stands in the address:
// #name=dgcnn&backend=Wasm|WebGpu&runs=10&warm=3, or #candidates=200000 for the throughput of a search

const wanted = new URLSearchParams(location.hash.slice(1));
const log = (line) => { document.getElementById('log').textContent += `${line}\n`; };

async function report(path, text) {
  log(text);
  await fetch(path, { method: 'POST', body: text });
}
const fail = (why) => report('/failure', why);

// An event is an object with one field, its variant; serde may also write a Map.
const field = (event, name) => (event instanceof Map ? event.get(name) : event?.[name]);

function listen(worker) {
  worker.onerror = (event) => fail(`the worker stopped: ${event.message ?? 'its module did not load'}`);
  worker.onmessageerror = () => fail('the worker sent what cannot be read');
  worker.onmessage = ({ data }) => {
    if (field(data, 'Ready')) {
      if (wanted.has('candidates')) {
        worker.postMessage({ Throughput: { candidates: Number(wanted.get('candidates')) } });
        return;
      }
      worker.postMessage({
        Bench: {
          name: wanted.get('name') ?? 'dgcnn',
          backend: wanted.get('backend') ?? 'Wasm',
          runs: Number(wanted.get('runs') ?? 10),
          warm: Number(wanted.get('warm') ?? 3),
        },
      });
      return;
    }
    const result = field(data, 'Bench');
    const failed = field(data, 'Failed');
    if (result) report('/result', field(result, 'json'));
    else if (failed) fail(`${JSON.stringify(field(failed, 'what'))}: ${field(failed, 'why')}`);
  };
}

try {
  const worker = new Worker('worker.js', { type: 'module' });
  listen(worker);
  // The worker's first message is its own module, compiled; see worker.js.
  worker.postMessage(await WebAssembly.compileStreaming(fetch('device_bg.wasm')));
  log('the worker starts');
} catch (error) {
  fail(String(error));
}
