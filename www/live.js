// The browser's half of `cargo xtask test --only live`: drives the shipped worker as the page does, with the edge that the
// address names, and posts every step that went well to the server that this page came from. That server kills the edge
// after "streaming" and starts it again after "the edge is missed".

import { operations, report, say, start, step, until, wanted } from './driver.js';
import { revived } from './revive.js';

const LINK = { mbps: 0, delay_ms: 0, jitter_ms: 0 };

const frame = () => until((event) => event.Frame);
const isPlanned = (frame) => frame.outcome === 'AsPlanned';

function cutAt(plan, cut) {
  const pairs = operations(plan);
  pairs.splice(cut, 0, ['5', '0']);
  return [0, 1].map((part) => pairs.map((pair) => pair[part]).join(' ')).join(',');
}

// A frame waits until the edge has the plan, so that the first one is split as planned.
async function runSplit(plan, codec) {
  say({ Plan: { plan, codec } });
  say('RunOnce');
  const answer = await frame();
  if (!isPlanned(answer)) throw new Error(`${plan} in ${codec} was not split: ${JSON.stringify(answer.outcome)}`);
  if (!(answer.bytes_up > 0)) throw new Error(`${plan}: nothing was sent`);
  return answer;
}

async function everyCut(network) {
  const n = operations(network.plan).length;
  let worst = 0;
  for (let cut = 0; cut <= n; cut += 1) {
    const answer = await runSplit(cutAt(network.plan, cut), 'f32');
    if (answer.bound != null && !(answer.delta <= answer.bound)) {
      throw new Error(`cut ${cut}: ${answer.delta} from the unsplit answer, ${answer.bound} is allowed`);
    }
    worst = Math.max(worst, answer.delta);
  }
  await step(`every cut of ${network.name} over the socket: at most ${worst.toExponential(1)} from the unsplit answer`);
}

async function everyNetwork(names) {
  for (const name of names) {
    say({ Network: name });
    const network = await until((event) => event.Network);
    await runSplit(cutAt(network.plan, operations(network.plan).length), 'f32');
  }
  await step(`the first frame of ${names.join(', ')} was split as planned`);
}

// Image networks between the tab and the edge, a residual one among them, with every codec in turn.
async function everyImage(names) {
  const codecs = ['f32', 'f16', 'i8'];
  for (const name of names) {
    say({ Network: name });
    const { cuts } = await until((event) => (event.Prices?.network === name ? event.Prices : null));
    for (let cut = 0; cut < cuts.length; cut += 1) {
      const answer = await runSplit(`${name}@${cut}`, codecs[cut % codecs.length]);
      if (!(answer.delta <= answer.bound)) throw new Error(`${answer.plan}: ${answer.delta}, ${answer.bound} is allowed`);
    }
  }
  await step(`every cut of ${names.join(', ')} in ${codecs.join(', ')} gave the unsplit answer`);
}

async function everyCodec(network) {
  const codecs = ['f16', 'i8', 'f32+lz4'];
  for (const codec of codecs) await runSplit(cutAt(network.plan, 5), codec);
  await step(`the first frame in ${codecs.join(', ')} was split as planned`);
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
  // Frames may end out of order; those under way still end.
  const missing = () => {
    ids.sort((a, b) => a - b);
    return ids.some((id, at) => id !== ids[0] + at);
  };
  while (missing()) await take();
  if (new Set(ids).size !== ids.length) throw new Error(`a frame came twice: ${ids}`);
  return ids.length;
}

// A search with the shared weights, stopped half-way and gone on with; then a frame of what it found, on the edge too.
async function search() {
  const limits = { latency_ms: 50, energy_millijoules: null, device_megabytes: null };
  say({ Search: { strategy: 'Nsga', ...limits, candidates: 6000, evaluations: 8, seed: 1, codec: 'f32' } });
  const ended = (event) => (event.Search?.running === false ? event.Search : null);
  await until((event) => event.Search);
  say('Stop');
  const half = await until(ended);
  say({ ResumeSearch: { json: half.state } });
  const found = await until(ended);
  if (!(found.drawn >= 6000 && found.evaluated === 8)) throw new Error(`the search ended at ${found.drawn}, ${found.evaluated}`);
  const slow = found.designs.find((design) => !(design.latency_ms <= 50));
  if (slow || found.designs.length === 0) throw new Error(`${found.designs.length} designs, too slow: ${slow?.plan}`);
  say({ Deploy: { plan: found.designs[0].plan } });
  const network = await until((event) => event.Network ?? (event.Failed ? { failed: event.Failed.why } : null));
  if (network.failed) throw new Error(`a design was not deployed: ${network.failed}`);
  const cut = found.designs[0].plan.includes('5') ? found.designs[0].plan : cutAt(found.designs[0].plan, 2);
  say({ Plan: { plan: cut, codec: 'f32' } });
  say({ RunStream: { in_flight: 1 } });
  while (!isPlanned(await frame()));
  say('Stop');
  await step(`a search was stopped and gone on with; ${found.designs.length} designs within the limit, one run on both tiers`);
}

// This edge has no clouds that judge: a search on them is refused with words, and one on furniture is not.
async function judged() {
  const limits = { latency_ms: 20, energy_millijoules: null, device_megabytes: null };
  const request = { strategy: 'Random', ...limits, candidates: 1000, evaluations: 2, seed: 3, codec: 'f32' };
  say({ Search: { ...request, judge: 'Edge' } });
  const failed = await until((event) => event.Failed ?? (event.Search ? { why: 'it began' } : null));
  if (!failed.why.includes('no edge with clouds')) throw new Error(`a search on the edge's clouds: ${failed.why}`);
  say({ Search: { ...request, judge: 'Furniture' } });
  const found = await until((event) => (event.Search?.running === false ? event.Search : null));
  await step(`a search on clouds that the edge has not: ${failed.why}; the next one was judged on ${found.judged_on}`);
}

// A search that came by a link finds what the one found that was shared.
async function shared() {
  const limits = { latency_ms: 20, energy_millijoules: null, device_megabytes: null };
  const request = { strategy: 'Random', ...limits, candidates: 4000, evaluations: 4, seed: 7, codec: 'f32' };
  const ended = (event) => (event.Search?.running === false ? event.Search : null);
  say({ Search: request });
  const own = await until(ended);
  say({ Share: request });
  const { text } = await until((event) => event.Shared);
  // Other conditions than those in the link.
  say({ Shape: { ...LINK, mbps: 1 } });
  say({ OpenShared: { text } });
  const { request: told } = await until((event) => event.Shared);
  const found = await until(ended);
  say({ Shape: LINK });
  if (told.seed !== request.seed) throw new Error(`the link holds seed ${told.seed}`);
  if (own.designs.length === 0 || JSON.stringify(found.designs) !== JSON.stringify(own.designs)) {
    throw new Error('the shared search found other designs');
  }
  say({ OpenShared: { text: text.slice(0, -9) } });
  const failed = await until((event) => event.Failed);
  await step(`a search of ${text.length} characters found the same ${own.designs.length} designs; cut off: ${failed.why}`);
}

// One search, one price list and one partition plan, by a profile that frames have corrected: the server that this page
// came from has the command line find them, too, and compares.
async function compared() {
  const json = await (await fetch('profile.json')).text();
  say({ UseProfile: { json } });
  await until((event) => (event.Profile?.calibrated > 0 ? event : null));
  say({ Network: 'gnn10' });
  const network = await until((event) => event.Network);
  const { cuts } = await until((event) => event.Prices);
  const limits = { latency_ms: 12, energy_millijoules: null, device_megabytes: null };
  const request = { strategy: 'Random', ...limits, candidates: 4000, evaluations: 4, seed: 11, codec: 'f32', judge: 'Furniture' };
  say({ Search: request });
  const { designs } = await until((event) => (event.Search?.running === false ? event.Search : null));
  const partition = { network: 'lenet5', slower: [1, 1, 1], setup_ms: 2, mbps: 100, delay_ms: 0, shared: false };
  say({ Partition: partition });
  const { plans, times } = await until((event) => event.Partitions);
  await report('/compare', JSON.stringify({ plan: network.plan, cuts, request, designs, partition, plans, times }));
}

// The dispatcher under a live stream whose link is stepped: every frame is answered, and what runs is told.
async function dispatched() {
  say({ Shape: { ...LINK, mbps: 100 } });
  say({ RunStream: { in_flight: 1 } });
  await frame();
  say({ Dispatch: { goal: 'Fastest', accuracy: 0.93, latency_ms: null } });
  const begun = await until((event) => event.Dispatch);
  if (!begun.running || begun.choices.length < 2) throw new Error(`the dispatcher has ${begun.choices.length} choices`);
  const ids = [];
  for (const mbps of [100, 5, 40]) {
    say({ Shape: { ...LINK, mbps } });
    const end = performance.now() + 1500;
    while (performance.now() < end) {
      const answer = await frame();
      if (answer.outcome.Failed) throw new Error(`frame ${answer.id} failed: ${answer.outcome.Failed.why}`);
      ids.push(answer.id);
    }
  }
  say({ Dispatch: null });
  const ended = await until((event) => (event.Dispatch && !event.Dispatch.running ? event.Dispatch : null));
  say('Stop');
  say({ Shape: LINK });
  if (ids.some((id, at) => id !== ids[0] + at)) throw new Error('a frame was lost while dispatching');
  if (!(ended.up_mbps > 0)) throw new Error('the link was not measured');
  await step(`${ids.length} frames under the dispatcher, none lost; ${ended.choices.length} choices`);
}

// LeNet-5 over this tab, another worker of the browser and the edge; then that worker is lost in mid-run.
async function cooperated(edge) {
  const partition = { network: 'lenet5', slower: [1, 1, 1], setup_ms: 2, mbps: 100, delay_ms: 0, shared: false };
  const members = ['Browser', { Edge: { ...edge, url: edge.url.replace(/\/ws$/, '') } }];
  const request = { partition, strategy: 'iop', members, runs: 3, check: true, image: { Noise: 3 } };
  const ended = async () => {
    const ran = await until((event) => event.Cooperated ?? (event.Failed ? { failed: event.Failed.why } : null));
    if (ran.failed) throw new Error(`the workers did not run: ${ran.failed}`);
    if (!(ran.whole.distance <= ran.whole.bound)) throw new Error(`${ran.whole.distance} from the unsplit answer`);
    return ran;
  };
  say({ Cooperate: request });
  const first = await ended();
  const { measured, predicted } = first;
  if (measured.messages !== predicted.messages) throw new Error(`${measured.messages} of ${predicted.messages} messages`);
  const peaks = measured.memory_bytes.map(([weights, rest]) => weights + rest);
  if (!peaks.every((peak) => peak > 0)) throw new Error(`peaks of memory: ${peaks}`);
  if (!first.is_trained || first.scores.length !== 10) throw new Error(`weights: ${first.weights}`);
  await step(`${first.workers.join(', ')} shared LeNet-5: ${first.whole.distance.toExponential(1)} from the unsplit answer`);
  say({ Cooperate: { ...request, strategy: 'output-channel', partition: { ...partition, setup_ms: 10 }, runs: 8 } });
  await until((event) => event.Progress?.what === 'RunPartition' && event.Progress.done === 2);
  say({ LoseWorker: 1 });
  const second = await ended();
  if (second.restarts !== 1 || second.workers.length !== 2) throw new Error(`lost: ${second.gone}, ${second.workers}`);
  say('Dismiss');
  await until((event) => event.Workers?.length === 0);
  await step(`a worker was lost in mid-run, ${second.workers.join(' and ')} went on`);
}

async function refusedToken(url) {
  say({ Connect: { url, token: 'another' } });
  const failed = await until((event) => event.Failed);
  if (!`${failed.why}`.includes('token')) throw new Error(`a wrong token was refused with: ${failed.why}`);
  await step('a wrong token is refused with words');
}

try {
  const [url, token] = [wanted.get('edge'), wanted.get('token')];
  await start({ url, token }, LINK);
  say({ Network: 'gnn10' });
  say({ Generate: { class: 2, seed: 3 } });
  const network = await until((event) => event.Network);
  await everyCut(network);
  await everyCodec(network);
  await everyNetwork(['gnn10-small', 'gnn10-s1', 'gnn10-s2', 'gnn10-s3', 'dgcnn10', 'gnn10']);
  await everyImage(['lenet5', 'resnet']);
  say({ Network: 'gnn10' });
  await until((event) => event.Network);
  const frames = await stream(network);
  await search();
  await judged();
  await shared();
  await dispatched();
  await compared();
  await cooperated({ url, token });
  await refusedToken(url);
  await revived({ url, token });
  await report('/result', `the edge was killed and came back within ${frames} frames, none lost`);
} catch (error) {
  report('/failure', String(error?.message ?? error));
}
