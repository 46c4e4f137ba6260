// Starts the page: the theme before the first paint, then the interface's module. A file of its own, because the content
// security policy allows no inline script. The names of the module's files come from the build, as data attributes.
const { js, wasm } = document.currentScript.dataset;

try {
  const theme = localStorage.getItem('cleave.theme');
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* a browser without storage has the system's theme */ }

const parsed = new Promise((resolve) => {
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', resolve, { once: true });
  else resolve();
});

(async () => {
  const address = (path) => new URL(path, document.baseURI).href;
  const bytes = fetch(address(wasm));
  const page = await import(address(js));
  await parsed;
  await page.default({ module_or_path: bytes });
})().catch((error) => {
  const words = document.getElementById('activity');
  if (words) words.textContent = `The interface could not be loaded (${error.message}). Check the connection and reload; the browser needs WebAssembly with SIMD.`;
  document.querySelector('.activity')?.classList.remove('busy');
});
