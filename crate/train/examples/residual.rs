use cleave_data::images::{FASHION, ImageSet};
use cleave_graph::Graph;
use cleave_model::exec::Params;
use cleave_model::{ImageCard, Storage, Weights};
use cleave_train::{Command, ImageConfig, evaluate_images, fit_images};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let graph: Graph = args[1].parse().unwrap();
    let read = |part: &str| {
        let file = |kind: &str| {
            let p = format!("/tmp/fashion/{part}-{kind}-ubyte");
            std::fs::read(&p).or_else(|_| std::fs::read(format!("{p}.gz"))).unwrap()
        };
        ImageSet::decode(&file("images-idx3"), &file("labels-idx1"), 10).unwrap()
    };
    let (set, test) = (read("train"), read("t10k"));
    let config = ImageConfig { epochs: args[3].parse().unwrap(), batch: args[4].parse().unwrap(), rate: args[5].parse().unwrap(), ..ImageConfig::new(graph.clone(), 1) };
    println!("{} params {} macs {}", graph, graph.parameters().iter().map(|s| s.len()).sum::<u64>(), graph.macs());
    let start = std::time::Instant::now();
    let weights = fit_images(&config, &set, &mut |p| { if p.step % 100 == 0 { println!("{} {}/{} {} loss {:.4} acc {:.4} t {:.0}", p.epoch, p.step, p.steps, p.rate, p.loss, p.accuracy, start.elapsed().as_secs_f64()); } Command::Continue }).unwrap().unwrap();
    let card = ImageCard { name: "resnet".into(), network: graph.clone(), classes: FASHION.map(str::to_owned).to_vec(), accuracy: None };
    let stored = Weights::from_safetensors(&card.with(&weights, Storage::F16).unwrap()).unwrap();
    let e = evaluate_images(&graph, &Params::stored(&graph, stored.clone()).unwrap(), &test).unwrap();
    println!("accuracy {}", e.accuracy());
    let card = ImageCard { accuracy: Some(e.accuracy()), ..card };
    std::fs::write(&args[2], card.with(&stored, Storage::F16).unwrap()).unwrap();
}
