// The page itself, in a frame of this one, with a worker that dies when it is told to: what ran goes on, without a reload,
// within five seconds.

import { step } from './driver.js';

const LIMIT = 5000;
// Three deaths in a row, each within ten seconds of the one before, would be the last.
const APART = 10500;

const wait = (millis) => new Promise((resolve) => { setTimeout(resolve, millis); });
const digits = (text) => Number.parseInt(text.replace(/\D/g, ''), 10);

async function reached(what, is, limit = 60000) {
  const begin = performance.now();
  while (!is()) {
    if (performance.now() - begin > limit) throw new Error(`not within ${limit / 1000} s: ${what}`);
    await wait(20);
  }
  return performance.now() - begin;
}

async function open({ url, token }) {
  const frame = document.createElement('iframe');
  Object.assign(frame, { width: 1200, height: 900, src: `index.html?test&engine=wasm#edge=${url}&token=${token}` });
  const loaded = new Promise((resolve) => { frame.onload = resolve; });
  document.body.append(frame);
  await loaded;
  const all = (selector) => [...frame.contentDocument.querySelectorAll(selector)];
  const text = (selector) => all(selector)[0]?.textContent ?? '';
  const click = async (selector, label) => {
    const found = () => all(selector).find((one) => one.textContent.trim() === label && !one.disabled);
    await reached(`“${label}” to click`, found);
    found().click();
  };
  return {
    text,
    click,
    close: () => frame.remove(),
    crash: (how) => frame.contentWindow.dispatchEvent(new CustomEvent('cleave-crash', { detail: how })),
    // Frames of the stream; not a number before the first.
    frames: () => digits(all('.figures dd')[2]?.textContent ?? ''),
    drawn: () => digits(text('#search-words').match(/: (.*) of /)?.[1] ?? ''),
  };
}

// The worker dies, the page says why, and `goesOn` comes true.
async function outlives(page, how, why, goesOn) {
  page.crash(how);
  const said = await reached(`words on ${how}`, () => page.text('.banner').includes(why), LIMIT);
  const took = said + await reached(`what ran before ${how}`, goesOn, LIMIT - said);
  const words = page.text('.banner');
  await page.click('.banner button', 'Dismiss');
  return `${words.slice(0, words.indexOf('.') + 1)} It went on after ${(took / 1000).toFixed(1)} s`;
}

async function inStream(page, how, why) {
  await page.click('.run-bar button', 'Stream');
  await reached('a stream', () => page.frames() > 0);
  // The count begins again with the next worker.
  let isNew = false;
  const goesOn = () => {
    isNew ||= Number.isNaN(page.frames());
    return isNew && page.frames() > 0;
  };
  const told = await outlives(page, how, why, goesOn);
  await page.click('.run-bar button', 'Stop');
  await step(`in a stream: ${told}`);
}

async function inSearch(page) {
  await page.click('.wish-buttons button', 'Search');
  // Its state is told about once a second.
  await reached('a search', () => page.drawn() > 0);
  await wait(1500);
  const before = page.drawn();
  const told = await outlives(page, 'Panic', 'The search goes on', () => page.drawn() > before);
  await page.click('.wish-buttons button', 'Stop');
  await step(`in a search, after ${before} candidates: ${told}`);
}

const isOnGpu = (page) => page.text('.card h2').includes('WebGPU');

// True once WebGPU is the engine; false where it does not run.
async function chooseGpu(page) {
  const isRefused = () => page.text('.card .reason').includes('does not run here');
  await page.click('.card label.choice', 'WebGPU');
  await reached('WebGPU', () => isOnGpu(page) || isRefused(), 110000);
  return isOnGpu(page);
}

async function onGpu(page) {
  if (!await chooseGpu(page)) return step(`no WebGPU to lose: ${page.text('.card .reason')}`);
  await inStream(page, 'LoseGpu', 'WebGPU was lost');
  if (isOnGpu(page)) throw new Error('the engine is the one that was lost');
  if (!await chooseGpu(page)) throw new Error(`WebGPU cannot be chosen again: ${page.text('.card .reason')}`);
  return step('WebGPU was chosen again');
}

export async function revived(edge) {
  const page = await open(edge);
  await reached('the page', () => page.text('#activity').startsWith('Ready'));
  await inStream(page, 'Panic', 'a defect');
  await inSearch(page);
  await wait(APART);
  await inStream(page, 'Memory', 'out of memory');
  await onGpu(page);
  page.close();
}
