// The worker that measures: a module of its own, which the page does not have (crate/device/src/bin/bench). Each message is
// a request and gets one answer: a JSON object as text, or why there is none.
import init, { measure } from './bench-module.js';

// A trap in a promise's callback counts as a rejection, of which the page would hear nothing.
addEventListener('unhandledrejection', ({ reason }) => {
  if (reason instanceof WebAssembly.RuntimeError) reportError(reason);
});

const started = init();

addEventListener('message', async ({ data }) => {
  try {
    await started;
    postMessage({ json: await measure(data) });
  } catch (error) {
    postMessage({ why: String(error?.message ?? error) });
  }
});
