//! Candidates as strings of operations and functions, and how strings become others: drawing, mutation, crossover.

use cleave_arch::space::{Functions, Sampler};
use cleave_arch::supernet::{covers, learns};
use cleave_arch::{Architecture, Halves, LinkCodec, MAX_CUTS, Op, Plan, SplitMix64, Task};

/// Id of a communicate.
const COMMUNICATE: u8 = 5;

/// A string: at each position an operation and its function.
pub type Genes = Vec<(u8, u8)>;

/// Functions for both halves, uniform.
pub fn draw_halves(rng: &mut SplitMix64) -> Halves {
    let mut half = || [0, 1, 2, 3, 4].map(|id| rng.below(Functions::Supernet.count(id)) as u8);
    Halves { upper: half(), lower: half() }
}

/// One of these functions changed.
pub fn mutated(mut halves: Halves, rng: &mut SplitMix64) -> Halves {
    let id = rng.below(5);
    let function = rng.below(Functions::Supernet.count(id)) as u8;
    let half = if rng.below(2) == 0 { &mut halves.upper } else { &mut halves.lower };
    half[id] = function;
    halves
}

/// The space that is searched: the supernet's, for a task, with a codec for what crosses.
pub struct Space {
    task: Task,
    codec: LinkCodec,
    sampler: Sampler,
}

impl Space {
    /// For a task.
    pub fn new(task: &Task, codec: LinkCodec) -> Self {
        Self { task: *task, codec, sampler: Sampler::new(Functions::Supernet, task.graph) }
    }

    /// Codec of what crosses.
    pub fn codec(&self) -> LinkCodec {
        self.codec
    }

    /// The task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// A uniform draw; `None` if it is too wide for the supernet, or no graph network.
    pub fn draw(&self, rng: &mut SplitMix64) -> Option<Plan> {
        let plan = self.sampler.draw(rng);
        self.keep(plan)
    }

    /// The string of this rank with fixed functions; `None` as for [`Space::draw`].
    pub fn ranked(&self, sampler: &Sampler, rank: u64, halves: &Halves) -> Option<Plan> {
        let ids = sampler.string(rank);
        let genes = ids.iter().enumerate().map(|(at, id)| (*id as u8, halves.function(at, *id) as u8));
        self.plan(&genes.collect())
    }

    fn keep(&self, plan: Plan) -> Option<Plan> {
        let good = learns(plan.architecture()) && covers(plan.architecture(), &self.task);
        good.then(|| plan.with_codec(self.codec))
    }

    /// The plan of a string; `None` if it breaks a rule of the space.
    pub fn plan(&self, genes: &Genes) -> Option<Plan> {
        let (mut ops, mut cuts) = (Vec::with_capacity(genes.len()), Vec::new());
        for (id, function) in genes {
            match Op::from_ids(usize::from(*id), usize::from(*function)) {
                Some(op) => ops.push(op),
                None if *id == COMMUNICATE && cuts.len() < MAX_CUTS => cuts.push(ops.len()),
                None => return None,
            }
        }
        let architecture = Architecture::for_graph(ops, self.task.graph).ok()?;
        self.keep(Plan::new(architecture, cuts, self.codec).ok()?)
    }

    /// The string of a plan.
    pub fn genes(plan: &Plan) -> Genes {
        let mut genes = Vec::new();
        for at in 0..=plan.architecture().ops().len() {
            genes.extend(plan.cuts().iter().filter(|cut| **cut == at).map(|_| (COMMUNICATE, 0)));
            if let Some(op) = plan.architecture().ops().get(at) {
                let (id, function) = op.ids();
                genes.push((id as u8, function as u8));
            }
        }
        genes
    }

    /// A plan that differs by a few genes: functions, operations, or two that change places. With `halves`, functions
    /// stay those of their position.
    pub fn mutate(&self, plan: &Plan, halves: Option<&Halves>, rng: &mut SplitMix64) -> Option<Plan> {
        let mut genes = Self::genes(plan);
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(genes.len());
            match rng.below(4) {
                0 => {
                    let other = rng.below(genes.len());
                    genes.swap(at, other);
                }
                1 if halves.is_none() && genes[at].0 != COMMUNICATE => {
                    genes[at].1 = rng.below(Functions::Supernet.count(usize::from(genes[at].0))) as u8;
                }
                _ => {
                    let id = rng.below(6);
                    genes[at] = (id as u8, rng.below(Functions::Supernet.count(id)) as u8);
                }
            }
        }
        self.fixed(genes, halves)
    }

    /// A plan whose positions come from either parent, from one up to a point and from the other beyond.
    pub fn cross(&self, a: &Plan, b: &Plan, halves: Option<&Halves>, rng: &mut SplitMix64) -> Option<Plan> {
        let (a, b) = (Self::genes(a), Self::genes(b));
        let n = a.len().min(b.len());
        let at = rng.below(n + 1);
        self.fixed([&a[..at], &b[at..]].concat(), halves)
    }

    fn fixed(&self, mut genes: Genes, halves: Option<&Halves>) -> Option<Plan> {
        if let Some(halves) = halves {
            for (at, (id, function)) in genes.iter_mut().enumerate() {
                *function = halves.function(at, usize::from(*id)) as u8;
            }
        }
        self.plan(&genes)
    }

    /// A uniform draw of operations with fixed functions.
    pub fn draw_with(&self, halves: &Halves, rng: &mut SplitMix64) -> Option<Plan> {
        self.fixed(Self::genes(&self.sampler.draw(rng)), Some(halves))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::space::POSITIONS;

    fn space() -> Space {
        Space::new(&Task::modelnet10(), LinkCodec::default())
    }

    #[test]
    fn children_are_valid_and_strings_are_plans() {
        let (space, mut rng) = (space(), SplitMix64::new(1));
        let mut parents: Vec<Plan> = std::iter::from_fn(|| Some(space.draw(&mut rng))).flatten().take(40).collect();
        for _ in 0..400 {
            let (a, b) = (rng.below(parents.len()), rng.below(parents.len()));
            assert_eq!(space.plan(&Space::genes(&parents[a])).as_ref(), Some(&parents[a]));
            let child = space.cross(&parents[a], &parents[b], None, &mut rng);
            let child = child.and_then(|child| space.mutate(&child, None, &mut rng));
            parents.extend(child);
        }
        assert!(parents.len() > 60, "{} children", parents.len());
        for plan in &parents {
            assert_eq!(plan.to_string().parse::<Plan>().as_ref(), Ok(plan), "{plan}");
            assert_eq!(Space::genes(plan).len(), POSITIONS, "{plan}");
            assert!(covers(plan.architecture(), space.task()), "{plan}");
        }
    }

    #[test]
    fn halves_fix_every_function() {
        let (space, mut rng) = (space(), SplitMix64::new(2));
        let halves = Halves { upper: [0, 3, 6, 0, 3], lower: [1, 4, 3, 1, 0] };
        let drawn: Vec<Plan> =
            std::iter::from_fn(|| Some(space.draw_with(&halves, &mut rng))).flatten().take(30).collect();
        for plan in &drawn {
            let child = space.mutate(plan, Some(&halves), &mut rng);
            for plan in child.iter().chain([plan]) {
                assert!(halves.holds(plan.architecture()), "{plan}");
                for (at, (id, function)) in Space::genes(plan).into_iter().enumerate() {
                    assert_eq!(usize::from(function), halves.function(at, id.into()), "{plan}");
                }
            }
        }
    }
}
