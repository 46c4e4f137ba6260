// The browser's half of `cargo xtask bench predict`: measures a profile of this browser and the edge, then runs every plan
// of plans.json as real frames under the link that the address names, and reports each row as it is measured. All plans
// are run in rounds, so that a minute in which the machine was busy is no plan's only one.

import { report, say, start, step, until, wanted } from './driver.js';

const UNSHAPED = { mbps: 0, delay_millis: 0, jitter_millis: 0 };
const shaped = { ...UNSHAPED, mbps: Number(wanted.get('mbps')), delay_millis: Number(wanted.get('delay') ?? 0) };
const RUNS = Number(wanted.get('runs'));
const ROUNDS = Number(wanted.get('rounds'));

// Milliseconds on the device, up, on the edge, down, and in all.
function stages(frame) {
  const lane = (name) => frame.spans.filter((span) => span.lane === name)
    .reduce((sum, span) => sum + span.end_millis - span.start_millis, 0);
  return [lane('Device'), lane('Uplink'), lane('Edge'), lane('Downlink'), frame.total_millis];
}

// The next frame of the stream; why it cannot go on, if something failed.
async function frame() {
  const event = await until((found) => (found.Frame || found.Failed ? found : null));
  if (event.Failed) throw new Error(`${event.Failed.what}: ${event.Failed.why}`);
  return event.Frame;
}

// The next frame that goes as planned; while a network is being deployed, frames are finished here, fast.
async function planned() {
  const until = performance.now() + 20000;
  let why = '';
  while (performance.now() < until) {
    const answer = await frame();
    if (answer.outcome === 'AsPlanned') return answer;
    why = answer.outcome.Local?.why ?? answer.outcome.Failed?.why;
  }
  throw new Error(`frames did not go as planned: ${why}`);
}

// Weights go to the edge unshaped: they are no part of a frame.
async function measure(plan) {
  say({ Shape: UNSHAPED });
  say({ Network: plan });
  const network = await until((event) => event.Network ?? (event.Failed ? { failed: event.Failed.why } : null));
  if (network.failed) throw new Error(network.failed);
  say({ RunStream: { in_flight: 1 } });
  await planned();
  say({ Shape: shaped });
  await planned(); // it may have been on its way already
  await planned();
  const runs = [];
  while (runs.length < RUNS) runs.push(stages(await planned()));
  say('Stop');
  return runs;
}

async function profile() {
  say({ Profile: { quick: false } });
  for (;;) {
    const event = await until((found) => (found.Profile || found.Failed ? found : null));
    if (event.Failed) throw new Error(`${event.Failed.what}: ${event.Failed.why}`);
    if (event.Profile.rows > 0) return event.Profile.json;
  }
}

try {
  const plans = await (await fetch('plans.json')).json();
  await start({ url: wanted.get('edge'), token: wanted.get('token') }, UNSHAPED);
  say({ Network: 'gnn10' });
  say({ Generate: { class: 2, seed: 3 } });
  await until((event) => event.Network);
  // Until the edge has the network there is nobody to measure.
  say({ RunStream: { in_flight: 1 } });
  await planned();
  say('Stop');
  await until((event) => (event.Stream && !event.Stream.running ? event : null));
  await step(JSON.stringify({ profile: JSON.parse(await profile()) }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const plan of plans) {
      try {
        await step(JSON.stringify({ row: { plan, codec: 'f32', runs: await measure(plan) } }));
      } catch (error) {
        say('Stop');
        await step(JSON.stringify({ skipped: { plan, why: error.message } }));
      }
    }
  }
  await report('/result', 'done');
} catch (error) {
  report('/failure', String(error?.message ?? error));
}
