//! Temporary driver.
use burn::tensor::Device;
use cleave_arch::{Plan, Task};
use cleave_data::modelnet::decode;
use cleave_model::{Card, Gnn, Storage, Weights};
use cleave_train::*;
use std::time::Instant;

struct Log { start: Instant, out: String, test: cleave_data::modelnet::Dataset, plan: Plan, limit: Option<usize> , n: usize, every: usize}
impl Observer for Log {
    fn step(&mut self, p: &Progress) -> Command {
        self.n += 1;
        if p.step % 25 == 0 || self.limit.is_some() {
            println!("epoch {} step {}/{} loss {:.4} acc {:.4} rate {:.5} {:.0} ms/step", p.epoch, p.step, p.steps, p.loss, p.accuracy, p.rate, self.start.elapsed().as_millis() as f64 / self.n as f64);
        }
        if self.limit == Some(self.n) { Command::Stop } else { Command::Continue }
    }
    fn epoch(&mut self, r: &EpochReport, t: &Trainer) -> Result<Command, TrainError> {
        std::fs::write(format!("{}.checkpoint", self.out), t.checkpoint()?).ok();
        let mut line = format!("EPOCH {} loss {:.4} acc {:.4} elapsed {:.0}s", r.last.epoch + 1, r.last.loss, r.last.accuracy, self.start.elapsed().as_secs_f64());
        if t.epoch() % self.every == 0 || t.epoch() == t.config().epochs {
            let e = save(t, &self.plan, &self.out, &self.test)?;
            line += &format!(" TEST {:.4} mean class {:.4}", e.accuracy(), e.mean_class());
        }
        println!("{line}");
        Ok(Command::Continue)
    }
}
fn save(t: &Trainer, plan: &Plan, out: &str, test: &cleave_data::modelnet::Dataset) -> Result<Evaluation, TrainError> {
    let task = t.config().task;
    let card = |accuracy| Card { name: std::path::Path::new(out).file_stem().unwrap().to_string_lossy().into(), plan: plan.clone(), task, classes: test.classes.clone(), accuracy };
    let bytes = t.network().weights().to_safetensors(&card(None), Storage::F16)?;
    let weights = Weights::from_safetensors(&bytes)?;
    let gnn = Gnn::new(plan.architecture(), &task, &weights, &Device::flex())?;
    let e = evaluate(&gnn, test)?;
    std::fs::write(out, weights.to_safetensors(&card(Some(e.accuracy())), Storage::F16)?).unwrap();
    Ok(e)
}
fn main() {
    let arg = |name: &str, default: &str| std::env::args().skip_while(|a| a != &format!("--{name}")).nth(1).unwrap_or(default.into());
    let num = |name: &str, default: f32| arg(name, &default.to_string()).parse::<f32>().unwrap();
    let data = arg("data", "");
    let train = decode(&std::fs::read(format!("{data}/modelnet10_1024_train.npz")).unwrap()).unwrap();
    let test = decode(&std::fs::read(format!("{data}/modelnet10_1024_test.npz")).unwrap()).unwrap();
    let plan: Plan = arg("arch", "").parse().unwrap();
    let out = arg("out", "");
    let c = Config::new(plan.clone(), Task::modelnet10(), num("seed", 1.0) as u64);
    let c = Config { epochs: num("epochs", 40.0) as usize, batch: num("batch", 32.0) as usize, points: num("points", 1024.0) as usize, whole_epochs: num("whole", 0.0) as usize, furniture: num("furniture", c.furniture), rate: num("rate", c.rate), dropout: num("dropout", c.dropout), weight_decay: num("decay", c.weight_decay), smoothing: num("smoothing", c.smoothing),
        augment: Augment { scale: num("scale", c.augment.scale), shift: num("shift", c.augment.shift), turn: num("turn", c.augment.turn), jitter: num("jitter", c.augment.jitter) }, ..c };
    let mut trainer = match arg("resume", "").as_str() { "" => Trainer::new(c).unwrap(), f => Trainer::resume(&std::fs::read(f).unwrap()).unwrap() };
    println!("{:?}", trainer.config());
    let limit = arg("limit", "").parse().ok();
    let mut log = Log { start: Instant::now(), out, test, plan, limit, n: 0, every: num("every", 2.0) as usize };
    fit(&mut trainer, &train, &mut log).unwrap();
}
