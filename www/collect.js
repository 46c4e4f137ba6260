// The browser's half of `cargo xtask bench predict`: measures a profile of this browser and the edge, then runs every plan
// of plans.json as real frames under the link that the address names, and reports each row as it is measured. All plans
// are run in rounds, so that a minute in which the machine was busy is no plan's only one.

import { UNSHAPED, load, measure, profile, report, say, start, step, wanted } from './driver.js';

const shaped = { ...UNSHAPED, mbps: Number(wanted.get('mbps')), delay_ms: Number(wanted.get('delay') ?? 0) };
const RUNS = Number(wanted.get('runs'));
const ROUNDS = Number(wanted.get('rounds'));

try {
  const plans = await (await fetch('plans.json')).json();
  await start({ url: wanted.get('edge'), token: wanted.get('token') }, UNSHAPED);
  await step(JSON.stringify({ profile: JSON.parse((await profile()).json) }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const plan of plans) {
      try {
        await load(plan);
        await step(JSON.stringify({ row: { plan, codec: 'f32', runs: await measure(shaped, RUNS) } }));
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
