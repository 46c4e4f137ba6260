// What pages that test or measure have in common: what is wanted of them stands in their address, and they report to the
// server that they came from: /step for something reached, /result for the end, /failure for another one.

export const wanted = new URLSearchParams(location.hash.slice(1));

export async function report(path, text) {
  document.getElementById('log').textContent += `${text}\n`;
  await fetch(path, { method: 'POST', body: text });
}
export const step = (text) => report('/step', text);
