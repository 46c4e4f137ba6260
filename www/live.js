// The browser's half of `cargo xtask test --only live`: drives the shipped worker as the page does, with the edge that the
// address names, and posts every step that went well to the server that this page came from. That server kills the edge
// after "streaming" and starts it again after "the edge is missed".

const wanted = new URLSearchParams(location.hash.slice(1));
const LINK = { mbps: 0, delay_millis: 0, jitter_millis: 0 };

async function report(path, text) {
  document.getElementById('log').textContent += `${text}\n`;
  await fetch(path, { method: 'POST', body: text });
}
const step = (text) => report('/step', text);

// An event is an object with one field, its variant; serde may also write a Map.
const plain = (value) => (value instanceof Map ? Object.fromEntries([...value].map(([k, v]) => [k, plain(v)])) : value);

const queue = [];
let wake = () => {};
const worker = new Worker('worker.js', { type: 'module' });
worker.onerror = (event) => report('/failure', `the worker stopped: ${event.message}`);
worker.onmessage = ({ data }) => { queue.push(plain(data)); wake(); };
const say = (intent) => worker.postMessage(intent);

// The next event of which `wanted` makes something; those before it are gone.
async function until(wanted) {
  for (;;) {
    while (queue.length) {
      const found = wanted(queue.shift());
      if (found) return found;
    }
    await new Promise((resolve) => { wake = resolve; });
  }
}
const frame = () => until((event) => event.Frame);
const isPlanned = (frame) => frame.outcome === 'AsPlanned';

// The operations of a plan without its own communicates (operation 5), as pairs of id and function.
function operations(plan) {
  const [ids, functions] = plan.split(',').map((list) => list.trim().split(/\s+/));
  return ids.map((id, at) => [id, functions[at]]).filter(([id]) => id !== '5');
}

function cutAt(plan, cut) {
  const pairs = operations(plan);
  pairs.splice(cut, 0, ['5', '0']);
  return [0, 1].map((part) => pairs.map((pair) => pair[part]).join(' ')).join(',');
}

// Until the plan is deployed, frames are finished here; then one comes as planned.
async function runSplit(plan, codec) {
  say({ Plan: { plan, codec } });
  for (let tries = 0; tries < 200; tries += 1) {
    say('RunOnce');
    const answer = await frame();
    if (isPlanned(answer)) return answer;
    await new Promise((resolve) => { setTimeout(resolve, 25); });
  }
  throw new Error(`${plan} was never run as planned`);
}

async function everyCut(network) {
  const n = operations(network.plan).length;
  let worst = 0;
  for (let cut = 0; cut <= n; cut += 1) {
    const answer = await runSplit(cutAt(network.plan, cut), 'f32');
    if (answer.bound != null && !(answer.delta <= answer.bound)) {
      throw new Error(`cut ${cut}: ${answer.delta} from the unsplit answer, ${answer.bound} is allowed`);
    }
    if (!(answer.bytes_up > 0)) throw new Error(`cut ${cut}: nothing was sent`);
    worst = Math.max(worst, answer.delta);
  }
  await step(`every cut of ${network.name} over the socket: at most ${worst.toExponential(1)} from the unsplit answer`);
}

async function stream(network) {
  say({ Plan: { plan: cutAt(network.plan, 4), codec: 'f32' } });
  say({ RunStream: { in_flight: 3 } });
  const ids = [];
  const take = async () => {
    const answer = await frame();
    if (answer.outcome.Failed) throw new Error(`frame ${answer.id} failed: ${answer.outcome.Failed.why}`);
    ids.push(answer.id);
    return answer;
  };
  const some = async (wanted) => { for (let n = 0; n < 5;) n += wanted(await take()) ? 1 : 0; };
  await some(isPlanned);
  await step('streaming');
  await some((answer) => !isPlanned(answer));
  await step('the edge is missed');
  await some(isPlanned);
  say('Stop');
  ids.sort((a, b) => a - b);
  if (ids.some((id, at) => id !== ids[0] + at)) throw new Error(`frames were lost: ${ids}`);
  return ids.length;
}

async function refusedToken(url) {
  say({ Connect: { url, token: 'another' } });
  const failed = await until((event) => event.Failed);
  if (!`${failed.why}`.includes('token')) throw new Error(`a wrong token was refused with: ${failed.why}`);
  await step('a wrong token is refused with words');
}

try {
  const [url, token] = [wanted.get('edge'), wanted.get('token')];
  worker.postMessage(await WebAssembly.compileStreaming(fetch('device_bg.wasm')));
  await until((event) => event.Ready);
  say({ Start: { base_url: './', preference: { Only: 'Wasm' }, edge: { url, token }, link: LINK } });
  say({ Network: 'gnn10' });
  say({ Generate: { class: 2, seed: 3 } });
  const network = await until((event) => event.Network);
  await everyCut(network);
  const frames = await stream(network);
  await refusedToken(url);
  await report('/result', `the edge was killed and came back within ${frames} frames, none lost`);
} catch (error) {
  report('/failure', String(error?.message ?? error));
}
