//! CoEdge's linear program: times, but for the set-up of messages, and energy as lines in the fraction of the rows that
//! each worker has.

use cleave_graph::{COORDINATOR, Region, Shape};
use microlp::{ComparisonOp, Error, LinearExpr, OptimizationDirection, Problem as Program, Variable};

use super::{maps, padding};
use crate::cluster::Medium;
use crate::error::PartitionError;
use crate::problem::Problem;

/// Milliseconds as a line: `fixed` + `slope` · fraction.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    fixed: f64,
    slope: f64,
}

impl Line {
    fn at(self, fraction: f64) -> f64 {
        self.fixed + self.slope * fraction
    }

    fn plus(self, other: Self) -> Self {
        Self { fixed: self.fixed + other.fixed, slope: self.slope + other.slope }
    }
}

/// The program for some of the workers, those whose cap is above 0. A sum over workers is one line for each; a maximum
/// over workers is one *round*.
pub(super) struct Model {
    active: Vec<usize>,
    /// What takes time whatever the fractions.
    fixed_ms: f64,
    /// What workers do one after another: the image's strips, and all else that is sent over a shared medium.
    serial: Vec<Line>,
    /// What they do at the same time: one round for each layer, one for the gather.
    rounds: Vec<Vec<Line>>,
    /// Joules for each whole.
    joules: Vec<f64>,
}

impl Model {
    pub(super) fn new(problem: &Problem, root: usize, caps: &[f64]) -> Self {
        let active: Vec<usize> = (0..caps.len()).filter(|worker| caps[*worker] > 0.0).collect();
        let mut serial = vec![Line::default(); active.len()];
        let mut joules = vec![0.0; active.len()];
        let (maps, operators) = (maps(problem), problem.network.operators());
        let watts = |worker: usize| &problem.cluster.workers()[worker];
        let shared = problem.cluster.medium() == Medium::Shared;
        let mut rounds = Vec::with_capacity(maps + 1);
        for at in 0..maps {
            let mut round = Vec::with_capacity(active.len());
            for (j, worker) in active.iter().enumerate() {
                let computing = line(problem, *worker, at);
                let halo = exchange(problem, &active, j, at);
                joules[j] += computing.slope * watts(*worker).compute_watts / 1e3;
                round.push(if shared { computing } else { computing.plus(halo) });
                if shared {
                    serial[j] = serial[j].plus(halo);
                }
            }
            rounds.push(round);
        }
        let strip =
            |from, to, map: Shape| Line { fixed: 0.0, slope: problem.cluster.moving_ms(from, to, 4 * map.values()) };
        let mut gather = Vec::with_capacity(active.len());
        let map = maps.checked_sub(1).map_or(problem.network.input(), |last| operators[last].output.shape);
        for (j, worker) in active.iter().enumerate() {
            let (image, output) = (strip(COORDINATOR, *worker, problem.network.input()), strip(*worker, root, map));
            serial[j] = serial[j].plus(image).plus(if shared { output } else { Line::default() });
            gather.push(output);
            joules[j] += image.slope * watts(COORDINATOR).radio_watts / 1e3;
            joules[j] += output.slope * watts(*worker).radio_watts / 1e3;
        }
        if !shared {
            rounds.push(gather);
        }
        let rest = (maps..operators.len()).map(|at| problem.whole_ms(root, at)).sum();
        Self { active, fixed_ms: rest, serial, rounds, joules }
    }

    /// The time by this model, milliseconds, without set-up.
    pub(super) fn estimate_ms(&self, fractions: &[f64]) -> f64 {
        let each = |lines: &[Line]| -> Vec<f64> {
            lines.iter().zip(&self.active).map(|(line, worker)| line.at(fractions[*worker])).collect()
        };
        let rounds = self.rounds.iter().map(|round| each(round).into_iter().fold(0.0, f64::max)).sum::<f64>();
        self.fixed_ms + each(&self.serial).into_iter().sum::<f64>() + rounds
    }

    /// Each worker's fraction for the least time, or for the least energy within a limit of the model's time; none if
    /// there is none.
    pub(super) fn solve(&self, caps: &[f64], limit_ms: Option<f64>) -> Result<Option<Vec<f64>>, PartitionError> {
        let mut program = Program::new(OptimizationDirection::Minimize);
        let is_energy = limit_ms.is_some();
        let each = self.active.iter().zip(&self.serial).zip(&self.joules);
        let fractions: Vec<Variable> = each
            .map(|((worker, serial), joules)| {
                program.add_var(if is_energy { *joules } else { serial.slope }, (0.0, caps[*worker]))
            })
            .collect();
        let round_cost = if is_energy { 0.0 } else { 1.0 };
        let rounds: Vec<Variable> =
            self.rounds.iter().map(|_| program.add_var(round_cost, (0.0, f64::INFINITY))).collect();
        program.add_constraint(fractions.iter().map(|part| (*part, 1.0)), ComparisonOp::Eq, 1.0);
        for (round, lines) in rounds.iter().zip(&self.rounds) {
            for (part, line) in fractions.iter().zip(lines) {
                program.add_constraint([(*round, 1.0), (*part, -line.slope)], ComparisonOp::Ge, line.fixed);
            }
        }
        if let Some(limit) = limit_ms.filter(|limit| limit.is_finite()) {
            let fixed = self.fixed_ms + self.serial.iter().map(|line| line.fixed).sum::<f64>();
            let mut total = LinearExpr::empty();
            fractions.iter().zip(&self.serial).for_each(|(part, line)| total.add(*part, line.slope));
            rounds.iter().for_each(|round| total.add(*round, 1.0));
            program.add_constraint(total, ComparisonOp::Le, limit - fixed);
        }
        let solution = match program.solve() {
            Ok(solution) => solution,
            Err(Error::Infeasible) => return Ok(None),
            Err(other) => return Err(PartitionError::Solver(other.to_string())),
        };
        let mut all = vec![0.0; caps.len()];
        for (worker, part) in self.active.iter().zip(&fractions) {
            all[*worker] = Some(solution[*part]).filter(|part| *part > 1e-6).unwrap_or(0.0);
        }
        Ok(Some(all))
    }
}

/// A worker's time for a part of an operator's rows, by a line through all and half of them.
fn line(problem: &Problem, worker: usize, at: usize) -> Line {
    let made = problem.network.operators()[at].made.shape;
    let some = made.height.div_ceil(2);
    let whole = problem.whole_ms(worker, at);
    if some == made.height {
        return Line { fixed: 0.0, slope: whole };
    }
    let half = problem.part_ms(worker, at, &Region::of_rows(0..some, made));
    let slope = (whole - half) / (1.0 - some as f64 / made.height as f64);
    if (0.0..=whole).contains(&slope) {
        Line { fixed: whole - slope, slope }
    } else {
        Line { fixed: 0.0, slope: whole }
    }
}

/// What the `j`-th of some workers sends before an operator: a halo to its neighbours, or, where any row may need any, its
/// rows to all. The input comes with what is needed.
fn exchange(problem: &Problem, active: &[usize], j: usize, at: usize) -> Line {
    let operator = &problem.network.operators()[at];
    let (input, made) = (operator.input(), operator.made.shape);
    let needs = operator.needs(&Region::of_rows(0..made.height.div_ceil(2), made));
    let needs_all = made.height > 1 && needs.first().is_some_and(|region| region.rows.len() == input.height);
    if at == 0 || !needs_all {
        return Line { fixed: halo_ms(problem, active, j, at), slope: 0.0 };
    }
    let others = active.iter().filter(|to| **to != active[j]);
    let each = others.map(|to| problem.cluster.moving_ms(active[j], *to, 4 * input.values()));
    Line { fixed: 0.0, slope: each.sum() }
}

/// Halos to neighbours, milliseconds.
fn halo_ms(problem: &Problem, active: &[usize], j: usize, at: usize) -> f64 {
    let (input, rows) = (problem.network.operators()[at].input(), padding(problem, at));
    if at == 0 || rows == 0 {
        return 0.0;
    }
    let bytes = 4 * (rows * input.channels * input.width) as u64;
    let neighbours = [j.checked_sub(1), Some(j + 1)].into_iter().flatten().filter_map(|other| active.get(other));
    neighbours.map(|to| problem.cluster.moving_ms(active[j], *to, bytes)).sum()
}
