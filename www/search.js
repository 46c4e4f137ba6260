// The browser's half of `cargo xtask bench search`: measures every shipped network with its placements, seeded searches
// against what they promise, and the dispatcher against fixed choices. What it does stands in the address; each figure is
// reported as it is measured.

import { measured } from './measured.js';
import {
  UNSHAPED, forget, frame, load, measure, operations, planned, profile, report, say, start, step, stopStream, until, wanted,
} from './driver.js';

const RUNS = Number(wanted.get('runs'));
const SLOW = Number(wanted.get('slow'));
const link = (mbps) => ({ ...UNSHAPED, mbps });
const tell = (figure) => step(JSON.stringify(figure));
const median = (rows) => rows[0].map((_, at) => rows.map((row) => row[at]).sort((a, b) => a - b)[Math.floor(rows.length / 2)]);

// In a worker of its own, while the device's stands idle.
async function ask(request) {
  const figures = JSON.parse(await measured(request));
  forget();
  return figures;
}

// The plan of these operations with a communicate before each of the cuts.
function planOf(network, cuts) {
  const pairs = operations(network.plan);
  [...cuts].reverse().forEach((cut) => pairs.splice(cut, 0, ['5', '0']));
  return [0, 1].map((part) => pairs.map((pair) => pair[part]).join(' ')).join(',');
}

const total = (price) => ['device', 'up', 'edge', 'down', 'other'].reduce((sum, part) => sum + price[`${part}_millis`], 0);

// Every network on the device, on the edge, and cut where it is predicted to be fastest.
async function table(index, powers) {
  const textbook = { name: 'dgcnn10', plain: true };
  const { median_ms: alone } = await ask({ Forward: { ...textbook, backend: 'Wasm', runs: 3, warm: 1 } });
  const plain = SLOW * alone; // that worker is not slowed
  for (const { name, accuracy } of index) {
    const network = await load(name);
    const whole = planOf(network, []);
    if (name === textbook.name) {
      const { device_peak_bytes: bytes } = await ask({ Memory: { ...textbook, plan: whole } });
      await tell({ textbook: { name, millis: plain, energy: (powers.active_milliwatts * plain) / 1e3, bytes } });
    }
    for (const mbps of [40, 10]) {
      say({ Shape: link(mbps) });
      const prices = await until((event) => event.Prices);
      const inside = prices.cuts.map((price, cut) => [total(price), cut]).slice(1);
      const best = inside.reduce((a, b) => (b[0] < a[0] ? b : a))[1];
      for (const [placement, cuts] of [['device', []], ['edge', [0]], ['cut', [best]]]) {
        const plan = planOf(network, cuts);
        say({ Plan: { plan, codec: 'f32' } });
        const predicted = await until((event) => event.Prices);
        const [device, up, edge, down, millis] = median(await measure(link(mbps), RUNS));
        const memory = await ask({ Memory: { name, plan } });
        const energy = (powers.active_milliwatts * device + powers.communicating_milliwatts * (up + down)
          + powers.static_milliwatts * edge) / 1e3;
        await tell({ row: {
          name, accuracy, mbps, placement, plan, millis, device, up, edge, down, energy, bytes: memory.device_peak_bytes,
          predicted_ms: total(predicted.plan), predicted_bytes: predicted.plan.device_peak_bytes,
        } });
      }
    }
  }
}

// Searches by seed, each with a limit; the most accurate design is run and held against the limit.
async function seeds(n) {
  const limits = [1, 2, 4, 7, 12, 20, 30];
  say({ Shape: link(40) });
  for (let seed = 1; seed <= n; seed += 1) {
    const limit = limits[seed % limits.length];
    const began = performance.now();
    say({ Search: {
      strategy: ['Nsga', 'Random'][seed % 2], latency_ms: limit, energy_millijoules: null, device_megabytes: null,
      candidates: 20000, evaluations: 12, seed, codec: 'f32',
    } });
    const found = await until((event) => (event.Search?.running === false ? event.Search : event.Failed));
    if (!found.designs) throw new Error(`seed ${seed}: ${found.what}: ${found.why}`);
    const seconds = (performance.now() - began) / 1e3;
    if (found.designs.length === 0) throw new Error(`seed ${seed}: nothing within ${limit} ms: ${JSON.stringify(found.binding)}`);
    const design = found.designs.reduce((a, b) => (b.accuracy > a.accuracy ? b : a));
    say({ Deploy: { plan: design.plan } });
    const network = await until((event) => event.Network ?? (event.Failed ? { failed: event.Failed.why } : null));
    if (network.failed) throw new Error(`${design.plan}: ${network.failed}`);
    const [, , , , millis] = median(await measure(link(40), RUNS));
    await tell({ search: {
      seed, limit, plan: design.plan, predicted: design.latency_ms, millis, seconds, per_second: found.per_second,
    } });
  }
}

const PHASES = [100, 5, 40];
const PHASE_MILLIS = 5000;

// A stream under a link whose rate is stepped: latencies by phase, frames that were not answered as planned.
async function steps() {
  const phases = [];
  let other = 0;
  const decided = [];
  for (const mbps of PHASES) {
    say({ Shape: link(mbps) });
    const began = performance.now();
    const latencies = [];
    while (performance.now() - began < PHASE_MILLIS) {
      const event = await until((found) => (found.Frame || found.Failed || found.Dispatch ? found : null));
      if (event.Failed) throw new Error(`${JSON.stringify(event.Failed.what)}: ${event.Failed.why}`);
      if (event.Dispatch) {
        const last = event.Dispatch.decisions.at(-1);
        if (last && decided.at(-1)?.at_ms !== last.at_ms) {
          decided.push({ ...last, mbps, after_ms: performance.now() - began });
        }
      } else {
        latencies.push(event.Frame.total_ms);
        if (event.Frame.outcome !== 'AsPlanned') other += 1;
      }
    }
    phases.push(latencies);
  }
  const means = phases.map((latencies) => latencies.reduce((sum, value) => sum + value, 0) / latencies.length);
  return { means, mean: means.reduce((sum, value) => sum + value, 0) / means.length, frames: phases.flat().length, other, decided };
}

async function dispatch(target) {
  say({ Shape: link(PHASES[0]) });
  await load('gnn10');
  say({ RunStream: { in_flight: 1 } });
  await frame();
  say({ Dispatch: target });
  // Weights of every choice go to the edge first.
  const settled = performance.now() + 4000;
  let known = null;
  while (performance.now() < settled) {
    const event = await until((found) => (found.Dispatch || found.Frame ? found : null));
    known = event.Dispatch ?? known;
  }
  const dispatched = await steps();
  say({ Dispatch: null });
  await stopStream();
  await tell({ dispatched: { target, ...dispatched, choices: known.choices } });
  for (const choice of known.choices) {
    const name = choice.name;
    await load(name);
    say({ Plan: { plan: choice.plan, codec: 'f32' } });
    say({ Shape: UNSHAPED });
    say({ RunStream: { in_flight: 1 } });
    await planned();
    const { means, mean, frames } = await steps();
    await stopStream();
    await tell({ fixed: { name, plan: choice.plan, means, mean, frames } });
  }
}

try {
  await start({ url: wanted.get('edge'), token: wanted.get('token') }, UNSHAPED);
  const index = await (await fetch('model/index.json')).json();
  const { powers } = await profile();
  await tell({ profiled: true });
  say({ SlowDown: { times: SLOW } });
  const parts = wanted.get('parts').split(',');
  if (parts.includes('table')) await table(index, powers);
  if (parts.includes('seeds')) await seeds(Number(wanted.get('seeds')));
  const latency = wanted.get('latency');
  const target = { goal: latency ? 'MostAccurate' : 'Fastest', accuracy: Number(wanted.get('accuracy')), latency_ms: latency && Number(latency) };
  if (parts.includes('dispatch')) await dispatch(target);
  await report('/result', 'done');
} catch (error) {
  report('/failure', String(error?.message ?? error));
}
