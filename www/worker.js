// Starts the worker: the page has fetched and compiled the module, its first message hands it over. What goes wrong here is
// told in the same form as every other error of the worker.
import init from './device.js';

// A trap in a promise's callback counts as a rejection, of which the page would hear nothing.
addEventListener('unhandledrejection', ({ reason }) => {
  if (reason instanceof WebAssembly.RuntimeError) reportError(reason);
});

addEventListener('message', async ({ data }) => {
  try {
    await init({ module_or_path: data });
  } catch (error) {
    postMessage({ Failed: { what: 'Start', why: String(error?.message ?? error) } });
  }
}, { once: true });
