// Asks the worker that measures for one measurement after another: a JSON object as text each.

let worker;

export function measured(request) {
  // Started when it is first needed, so that compiling its module disturbs no other measurement.
  worker ??= new Worker('bench-worker.js', { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(`the worker stopped: ${message ?? 'its module did not load'}`));
    worker.onmessage = ({ data }) => (data.why === undefined ? resolve(data.json) : reject(new Error(data.why)));
    worker.postMessage(request);
  });
}
