//! A wish from beginning to end: the network whole in this tab, how fast each worker is, the plan, the runs.
//!
//! How fast a worker is, is measured as it will be used: it runs the network up to its first fully connected layer alone,
//! by the same messages, and the milliseconds that it computes are held against those of the operators measured here.

use super::told::{self, Ran};
use super::{Driver, Halt, Order, Trained, check, image, weights};
use crate::partitioning::{self, Cancelled, MEASURING, PLANNING, Times, cluster};
use cleave_arch::cnn::{Kind, Network, Partition, Region};
use cleave_contract::{Backend, Cooperated, Event, MemberWish, PartitionWish};
use cleave_partition::{ComputeTimes, Measured, Only, PartitionError, Plan, Problem, Strategy};
use cleave_session::Micros;
use cleave_session::cooperate::{CoordinatorEffect, CoordinatorEvent, Plan as Group, RunReport, Uplink, Weights};
use std::sync::Arc;

/// What is said meanwhile.
const WHOLE: &str = "Running it whole in this tab";
const SPEEDS: &str = "Learning how fast each worker is";
const RUNNING: &str = "Running";
pub(super) const PHASES: [&str; 5] = [MEASURING, PLANNING, WHOLE, SPEEDS, RUNNING];

/// For anything to come, beside so many times what a run is predicted to take: browsers pause, and compile what a GPU runs
/// first.
const PATIENCE_MS: [(Backend, f64); 2] = [(Backend::Wasm, 5_000.0), (Backend::WebGpu, 60_000.0)];
const PATIENCE_TIMES: f64 = 5.0;

/// What has been learnt of the workers.
#[derive(Default)]
pub(super) struct Known {
    /// For which network, made how many times slower.
    of: Option<(Network, Vec<f64>)>,
    /// Whether each place is a worker of this browser.
    is_here: Vec<bool>,
    /// How many times slower than the operators were measured each place is.
    slower: Vec<Option<f64>>,
    /// So many times as slow engines of this browser are at the whole network as at its beginning, once that is known:
    /// fully connected layers wait for memory.
    whole: Option<f64>,
    /// What handing an operator to an engine of this browser takes beside computing it, milliseconds.
    handing_ms: f64,
    /// What a message takes between this tab and each place, milliseconds, whatever is imposed.
    latencies_ms: Vec<f64>,
    /// The plan that was made last: for which wish, by which strategy, over which places.
    planned: Option<(PartitionWish, Strategy, Vec<usize>, Plan)>,
}

/// The group that is ready.
pub(super) struct Formed {
    group: Group,
    weight_bytes: Vec<u64>,
    relayed: Vec<(usize, usize)>,
}

/// A run with its answer.
pub(super) struct Answer {
    pub values: Vec<f32>,
    pub report: RunReport,
}

/// Who goes on when somebody is lost.
enum Loss<'a> {
    /// Nobody: this one's work is not needed without it.
    GiveUp,
    /// Those that remain, by another plan.
    Replan(&'a Sharing<'a>),
}

/// What a plan is made of.
struct Sharing<'a> {
    order: &'a Order,
    strategy: Strategy,
    times: &'a Times,
    weights: &'a Weights,
}

impl Driver {
    pub(super) async fn carry_out(&mut self, order: &Order, cancelled: &Cancelled) -> Result<Cooperated, Halt> {
        let wish = &order.wish;
        check(wish).map_err(Halt::Failed)?;
        let strategy: Strategy = wish.strategy.parse().map_err(|why: PartitionError| Halt::because(why))?;
        let (image, image_name) = image(&wish.image, &order.network).map_err(Halt::Failed)?;
        let trained = weights(&order.network, &order.base_url).await.map_err(Halt::Failed)?;
        let times = self.times(order, cancelled).await?;
        self.assemble(order).await?;
        let team = self.team.as_mut().ok_or(Halt::Stopped)?;
        team.restarts = 0;
        team.gone.clear();
        team.machines.slow_down(&wish.partition.slower);
        team.machines.use_file(match &trained.weights {
            Weights::File(file) => Some(file.clone()),
            Weights::Seeded(_) => None,
        });
        self.learn(order, &times).await?;
        let whole = match wish.check {
            true => Some(self.whole(order, &times, &trained, &image).await?),
            false => None,
        };
        let sharing = Sharing { order, strategy, times: &times, weights: &trained.weights };
        let answers = self.share(&sharing, &image).await?;
        let team = self.team.as_mut().ok_or(Halt::Stopped)?;
        let formed = team.formed.as_ref().ok_or(Halt::Stopped)?;
        let places = &formed.group.places;
        let plan = sharing.with_problem(places, &team.known, &formed.relayed, |problem| {
            Plan::new(problem, formed.group.partition.clone())
        });
        let slower = places.iter().map(|place| team.known.slower(*place)).collect();
        Ok(told::cooperated(Ran {
            order,
            strategy,
            plan: plan?,
            answers: &answers,
            places,
            slower,
            weight_bytes: &formed.weight_bytes,
            relayed: &formed.relayed,
            restarts: team.restarts,
            gone: team.gone.clone(),
            whole,
            card: trained.card.as_ref(),
            image: image_name,
        }))
    }

    /// What the operators take in this tab.
    async fn times(&mut self, order: &Order, cancelled: &Cancelled) -> Result<Times, Halt> {
        if let Some(times) = &order.times {
            return Ok(times.clone());
        }
        let tell = |what: &str, done: usize, total: usize| self.progress(what, done, total);
        let times = partitioning::measure(&order.network, &order.device, &tell, cancelled).await;
        let times = times.map_err(Halt::Failed)?.ok_or(Halt::Stopped)?;
        (self.keep)(order.backend, times.clone());
        Ok(times)
    }

    /// The unsplit answer, and what it takes.
    async fn whole(
        &mut self,
        order: &Order,
        times: &Times,
        trained: &Trained,
        image: &[f32],
    ) -> Result<(Vec<f32>, f64), Halt> {
        self.progress(WHOLE, 0, 0);
        let group = alone(&order.network, 0, &trained.weights);
        let all_ms = times.whole_ms(order.network.operators().len());
        let patience = patience(order, all_ms * order.wish.partition.slower[0]);
        let answers = self.run_group(group, image, 1, patience, &Loss::GiveUp).await?;
        let answer = answers.into_iter().next_back().ok_or(Halt::Stopped)?;
        let team = self.team.as_mut().ok_or(Halt::Stopped)?;
        let whole = answer.report.workers.first().map_or(0.0, |worker| worker.busy().as_millis())
            / (all_ms * team.known.slower(0));
        if team.known.whole.is_none() && whole.is_finite() && whole > 0.0 {
            team.known.whole = Some(whole);
        }
        Ok((answer.values, answer.report.took().as_millis()))
    }

    /// Learns how fast everyone is who is not known yet.
    async fn learn(&mut self, order: &Order, times: &Times) -> Result<(), Halt> {
        let of = (order.network.clone(), order.wish.partition.slower.clone());
        let team = self.team.as_mut().ok_or(Halt::Stopped)?;
        if team.known.of.as_ref() != Some(&of) {
            let places = team.states.len();
            let (slower, latencies_ms) = (vec![None; places], vec![0.0; places]);
            let is_member_here = order.wish.members.iter().map(|member| *member == MemberWish::Browser);
            let is_here = std::iter::once(true).chain(is_member_here).collect();
            team.known = Known { of: Some(of), is_here, slower, latencies_ms, ..Known::default() };
        }
        let beginning = beginning(&order.network);
        let operators = beginning.operators().len();
        let image = vec![0.5; beginning.input().values() as usize];
        for place in self.places() {
            let known = self.team.as_ref().is_some_and(|team| team.known.slower[place].is_some());
            if known {
                continue;
            }
            self.progress(SPEEDS, place, order.wish.members.len() + 1);
            // The weights do not count, only their number.
            let group = alone(&beginning, place, &Weights::Seeded(0));
            // An edge is not made slower, and may be so by itself.
            let whole_ms = times.whole_ms(operators) * order.wish.partition.slower[place].max(1.0);
            let answers = match self.run_group(group, &image, 3, patience(order, whole_ms), &Loss::GiveUp).await {
                Ok(answers) => answers,
                // Whoever is lost needs no speed.
                Err(Halt::Failed(_)) if self.team.is_some() && !self.places().contains(&place) => continue,
                Err(halt) => return Err(halt),
            };
            // The run of median time counts, of those of which the worker has told.
            let busy = |answer: &Answer| answer.report.workers.last().map_or(0.0, |worker| worker.busy().as_millis());
            let told = answers.iter().filter(|answer| answer.report.missing.is_empty());
            let mut runs: Vec<[f64; 2]> = told.map(|answer| [busy(answer), answer.report.took().as_millis()]).collect();
            runs.sort_by(|a, b| a[0].total_cmp(&b[0]));
            let Some([busy, all]) = runs.get(runs.len() / 2).copied() else { continue };
            let slower = busy / times.whole_ms(operators).max(f64::MIN_POSITIVE);
            let team = self.team.as_mut().ok_or(Halt::Stopped)?;
            if place == 0 {
                team.known.handing_ms = (all - busy).max(0.0) / operators as f64;
            }
            // Too fast for the clock: as fast as here.
            team.known.slower[place] = Some(if slower.is_finite() && slower > 0.0 { slower } else { 1.0 });
        }
        Ok(())
    }

    /// Runs the image as often as it is wished.
    async fn share(&mut self, sharing: &Sharing<'_>, image: &[f32]) -> Result<Vec<Answer>, Halt> {
        let group = self.planned(sharing, self.places())?;
        let planned = self.team.as_ref().and_then(|team| team.known.planned.as_ref());
        let patience = patience(sharing.order, planned.map_or(0.0, |(.., plan)| plan.total_ms()));
        self.run_group(group, image, sharing.order.wish.runs, patience, &Loss::Replan(sharing)).await
    }

    /// A plan over these places.
    fn planned(&mut self, sharing: &Sharing, places: Vec<usize>) -> Result<Group, Halt> {
        let wish = &sharing.order.wish.partition;
        let team = self.team.as_mut().ok_or(Halt::Stopped)?;
        let same = team
            .known
            .planned
            .as_ref()
            .filter(|(of, strategy, over, _)| (of, *strategy, over) == (wish, sharing.strategy, &places));
        let plan = match same {
            Some((.., plan)) => plan.clone(),
            None => {
                self.page.post(Event::Progress { what: PLANNING.into(), done: 0, total: 0 });
                let plan = sharing.with_problem(&places, &team.known, &[], |problem| sharing.strategy.plan(problem));
                let plan = plan?;
                team.known.planned = Some((wish.clone(), sharing.strategy, places.clone(), plan.clone()));
                plan
            }
        };
        let uplinks = vec![Uplink::of(wish.setup_millis, wish.mbps, wish.delay_millis); places.len()];
        let network = Arc::new(sharing.order.network.clone());
        Ok(Group { network, partition: plan.partition, places, weights: sharing.weights.clone(), uplinks })
    }

    /// Forms the group, unless it is there already, and runs the image so often, after one run of each new group that warms
    /// it up; what is given up is not run later.
    async fn run_group(
        &mut self,
        group: Group,
        image: &[f32],
        runs: usize,
        patience: Micros,
        loss: &Loss<'_>,
    ) -> Result<Vec<Answer>, Halt> {
        let answers = self.run_to_end(group, image, runs, patience, loss).await;
        if answers.is_err() {
            self.cancel();
        }
        answers
    }

    async fn run_to_end(
        &mut self,
        mut group: Group,
        image: &[f32],
        runs: usize,
        patience: Micros,
        loss: &Loss<'_>,
    ) -> Result<Vec<Answer>, Halt> {
        let (mut answers, mut values): (Vec<Answer>, _) = (Vec::with_capacity(runs), Vec::new());
        let team = self.team.as_mut().ok_or(Halt::Stopped)?;
        team.told.clear();
        let mut is_warm = true;
        let mut is_submitted = team.formed.as_ref().is_some_and(|formed| same(&formed.group, &group));
        if is_submitted {
            self.submit(image, patience);
        } else {
            self.form(group.clone());
        }
        while answers.len() < runs {
            match self.effect().await? {
                CoordinatorEffect::Ready { weight_bytes, relayed, latencies } => {
                    let team = self.team.as_mut().ok_or(Halt::Stopped)?;
                    for (place, latency) in group.places.iter().zip(latencies) {
                        team.known.latencies_ms[*place] = latency.as_millis();
                    }
                    team.formed = Some(Formed { group: group.clone(), weight_bytes, relayed });
                    if !is_submitted {
                        self.submit(image, patience);
                    }
                    (is_submitted, is_warm) = (true, false);
                }
                CoordinatorEffect::Answered { values: answer, .. } => values = answer,
                CoordinatorEffect::Ended(report) => {
                    self.team.iter_mut().for_each(|team| team.restarts += report.restarts);
                    let answer = Answer { values: std::mem::take(&mut values), report: *report };
                    answers.extend(std::mem::replace(&mut is_warm, true).then_some(answer));
                    if let Loss::Replan(_) = loss {
                        self.progress(RUNNING, answers.len(), runs);
                    }
                    if answers.len() < runs {
                        self.submit(image, patience);
                    }
                }
                CoordinatorEffect::NeedPlan { places } => {
                    self.team.iter_mut().for_each(|team| team.formed = None);
                    group = match loss {
                        _ if group.places.iter().all(|place| places.contains(place)) => group,
                        Loss::Replan(sharing) => self.planned(sharing, places)?,
                        Loss::GiveUp => return Err(Halt::Failed("a worker was lost; run it again".into())),
                    };
                    self.form(group.clone());
                }
                CoordinatorEffect::PlanRefused(why) => return Err(Halt::because(why)),
                CoordinatorEffect::Failed { error, .. } => return Err(Halt::because(error)),
                _ => {}
            }
        }
        Ok(answers)
    }

    fn form(&mut self, group: Group) {
        self.team.iter_mut().for_each(|team| team.formed = None);
        self.event(CoordinatorEvent::Plan(group));
    }

    fn submit(&mut self, image: &[f32], patience: Micros) {
        let Some(team) = &mut self.team else { return };
        team.runs += 1;
        let run = team.runs;
        self.event(CoordinatorEvent::Submit { run, image: image.to_vec(), patience });
    }
}

impl Known {
    /// As fast as measured here, until it is known.
    fn slower(&self, place: usize) -> f64 {
        let is_here = self.is_here.get(place).copied().unwrap_or_default();
        let whole = self.whole.filter(|_| is_here).unwrap_or(1.0);
        self.slower.get(place).copied().flatten().unwrap_or(1.0) * whole
    }

    /// What handing an operator to a worker's engine takes, milliseconds.
    fn handing_ms(&self, place: usize) -> f64 {
        if self.is_here.get(place).copied().unwrap_or_default() { self.handing_ms } else { 0.0 }
    }
}

impl Sharing<'_> {
    fn with_problem<T>(
        &self,
        places: &[usize],
        known: &Known,
        relayed: &[(usize, usize)],
        work: impl FnOnce(&Problem) -> Result<T, PartitionError>,
    ) -> Result<T, Halt> {
        let Order { wish, network, .. } = self.order;
        let mut measured = Measured::new(network);
        (0..wish.partition.slower.len()).for_each(|place| self.times.add_to(&mut measured, known.slower(place)));
        let cluster = cluster(&wish.partition, wish.partition.setup_millis).map_err(Halt::Failed)?;
        let handing_ms = places.iter().map(|place| known.handing_ms(*place)).collect();
        let times = Handed { times: Only { times: &measured, workers: places.to_vec() }, handing_ms };
        let latencies: Vec<f64> = places.iter().map(|place| known.latencies_ms[*place]).collect();
        let cluster =
            cluster.only(places).and_then(|cluster| cluster.with_relayed(relayed)?.with_latencies(&latencies));
        cluster.and_then(|cluster| work(&Problem::new(network, &cluster, &times)?)).map_err(Halt::because)
    }
}

/// Times with what handing an operator to each worker's engine takes.
struct Handed<'a> {
    times: Only<'a>,
    handing_ms: Vec<f64>,
}

impl ComputeTimes for Handed<'_> {
    fn layer_ms(&self, worker: usize, operator: usize, inputs: usize, made: &Region) -> f64 {
        self.times.layer_ms(worker, operator, inputs, made) + self.handing_ms[worker]
    }

    fn tail_ms(&self, worker: usize, operator: usize, complete: &Region) -> f64 {
        self.times.tail_ms(worker, operator, complete)
    }

    fn add_ms(&self, worker: usize, values: u64) -> f64 {
        self.times.add_ms(worker, values)
    }
}

/// How long nothing may come of what is predicted to take so long.
fn patience(order: &Order, predicted_ms: f64) -> Micros {
    let base = PATIENCE_MS.iter().find(|(backend, _)| *backend == order.backend).map_or(0.0, |(_, ms)| *ms);
    Micros(((base + PATIENCE_TIMES * predicted_ms) * 1e3) as u64)
}

/// All of it by one place; another's is sent to it and back, as fast as may be.
fn alone(network: &Network, place: usize, weights: &Weights) -> Group {
    let places = if place == 0 { vec![0] } else { vec![0, place] };
    Group {
        network: Arc::new(network.clone()),
        partition: Partition::whole(places.len(), network.operators().len(), places.len() - 1),
        uplinks: vec![Uplink::UNSHAPED; places.len()],
        places,
        weights: weights.clone(),
    }
}

/// The network up to its first fully connected layer, whose weights would take longer to be had than all its computing.
fn beginning(network: &Network) -> Network {
    let linear = network.operators().iter().find(|operator| operator.kind == Kind::Linear);
    let layers = linear.map_or(&[][..], |operator| &network.layers()[..operator.layer]);
    Network::new(network.input(), layers.to_vec()).unwrap_or_else(|_| network.clone())
}

fn same(a: &Group, b: &Group) -> bool {
    let file = |weights: &Weights| match weights {
        Weights::Seeded(seed) => (Some(*seed), None),
        Weights::File(file) => (None, Some(file.hash)),
    };
    (&a.network, &a.partition, &a.places, &a.uplinks) == (&b.network, &b.partition, &b.places, &b.uplinks)
        && file(&a.weights) == file(&b.weights)
}
