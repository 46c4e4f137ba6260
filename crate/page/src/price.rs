//! What the network costs at every cut, laid out: stacked bars of predictions, dots of measurements, and the sentence that
//! says the same.

use crate::state::State;
use crate::{format, pipeline, timeline};
use cleave_arch::Mapping;
use cleave_contract::{Frame, Lane, Price, PriceBasis, Prices};

/// What prices rest on, after "predicted by".
pub fn source_words(prices: &Prices) -> String {
    let basis = match prices.basis {
        PriceBasis::Roofline => "a rule of thumb: measure this device for better",
        PriceBasis::Unfinished => "an unfinished profile",
        PriceBasis::Table => "the profile",
        PriceBasis::Learned => "the profile and a network trained on others",
    };
    match prices.slowdown {
        1.0 => basis.into(),
        times => format!("{basis}; the device is emulated {times} × slower"),
    }
}

/// Parts of a bar from the bottom up, and of a table from the top down.
pub const PARTS: [Part; 5] = [
    Part::Lane(Lane::Device),
    Part::Lane(Lane::Uplink),
    Part::Lane(Lane::Edge),
    Part::Lane(Lane::Downlink),
    Part::Other,
];

/// Where time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One of the four lanes.
    Lane(Lane),
    /// Codecs, queues, events.
    Other,
}

impl Part {
    /// Its share of a price, milliseconds.
    pub fn of(self, price: &Price) -> f64 {
        match self {
            Part::Lane(lane) => timeline::lane_ms(price, lane),
            Part::Other => price.other_ms,
        }
    }

    /// Its share of a measured frame, milliseconds.
    pub fn measured(self, frame: &Frame) -> f64 {
        let lanes = timeline::totals(frame);
        match self {
            Part::Lane(lane) => lanes[timeline::index(lane)],
            Part::Other => (frame.total_ms - lanes.iter().sum::<f64>()).max(0.0),
        }
    }
}

/// One placement of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Where it is cut: `None` keeps everything on the device.
    pub cut: Option<usize>,
    /// The same in words.
    pub place: String,
    /// What it is predicted to cost.
    pub price: Price,
    /// What it took last, milliseconds.
    pub measured: Option<f64>,
    /// It is the plan in use.
    pub in_use: bool,
}

/// Everything on the device, then every single cut; nothing until prices of the held network are here.
pub fn bars(state: &State) -> Vec<Bar> {
    let (Some(held), Some(prices)) = (&state.network.held, &state.costs.prices) else { return Vec::new() };
    if !held.is_called(&prices.network) {
        return Vec::new();
    }
    let bar = |cut: Option<usize>, price: &Price| {
        let cuts: Vec<usize> = cut.into_iter().collect();
        let measured = state.frames.measured.iter().find(|(of, _)| *of == cuts).map(|(_, millis)| *millis);
        Bar { cut, place: place(cut, &held.mapping), price: *price, measured, in_use: held.mapping.cuts() == cuts }
    };
    let cuts = prices.cuts.iter().enumerate().map(|(at, price)| bar(Some(at), price));
    [bar(None, &prices.whole)].into_iter().chain(cuts).collect()
}

/// Milliseconds at the top of the chart.
pub fn top(bars: &[Bar]) -> f64 {
    bars.iter().map(|bar| bar.price.total_ms().max(bar.measured.unwrap_or(0.0))).fold(0.0, f64::max).max(1e-3)
}

fn place(cut: Option<usize>, mapping: &Mapping) -> String {
    match cut {
        None => "everything on the device".into(),
        Some(0) => "everything on the edge".into(),
        Some(at) => format!("cut before {}", pipeline::step_word(mapping, at)),
    }
}

/// The chart in a sentence.
pub fn summary(bars: &[Bar]) -> String {
    let best = bars.iter().min_by(|a, b| a.price.total_ms().total_cmp(&b.price.total_ms()));
    let Some(best) = best else { return "No prices yet.".into() };
    let measured = bars.iter().filter(|bar| bar.measured.is_some()).count();
    format!(
        "Cheapest by prediction: {}, {}. {measured} of {} placements measured under these conditions.",
        best.place,
        format::millis(best.price.total_ms()),
        bars.len()
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::pipeline::tests::network;
    use crate::state::Settings;
    use crate::timeline::tests::frame;
    use cleave_contract::Event;

    pub(crate) fn price(device_ms: f64) -> Price {
        Price {
            device_ms,
            up_ms: 2.0,
            edge_ms: 1.0,
            down_ms: 0.5,
            other_ms: 0.5,
            uncertainty_ms: 1.0,
            frames_per_second: 10.0,
            device_peak_bytes: 1 << 20,
            edge_peak_bytes: 1 << 20,
            energy_millijoules: 3.0,
        }
    }

    pub(crate) fn prices(network: &str) -> Prices {
        Prices {
            network: network.into(),
            basis: PriceBasis::Table,
            slowdown: 1.0,
            plan: price(1.0),
            whole: price(9.0),
            cuts: [5.0, 4.0, 3.0, 2.0, 1.0].map(price).to_vec(),
            op_ms: vec![1.0; 5],
            hgnas_peak_bytes: Some(1 << 24),
        }
    }

    fn priced() -> State {
        let mut state = State::new(Settings::default(), None, String::new());
        state.hear(Event::Network(network("3 2 1 4,0 6 3 0")));
        state.hear(Event::Prices(prices("3 2 1 4,0 6 3 0")));
        state
    }

    #[test]
    fn there_is_a_bar_for_every_placement_and_the_one_in_use_is_marked() {
        let bars = bars(&priced());
        assert_eq!(bars.len(), 6);
        assert_eq!(bars.iter().filter(|bar| bar.in_use).map(|bar| bar.cut).collect::<Vec<_>>(), [Some(2)]);
        assert_eq!(top(&bars), 13.0);
        assert!(summary(&bars).contains("cut before the classifier, 5.0 ms. 0 of 6"), "{}", summary(&bars));
    }

    #[test]
    fn a_measured_frame_gives_its_bar_a_dot() {
        let mut state = priced();
        let mut measured = frame(1, 0.0);
        (measured.plan, measured.codec) = ("3 2 5 1 4,0 6 0 3 0".into(), "f32".into());
        state.hear(Event::Frame(measured.clone()));
        assert_eq!(bars(&state)[3].measured, Some(40.0));
        measured.plan = "3 2 5 1 1 4,0 6 0 3 3 0".into();
        state.hear(Event::Frame(measured));
        assert_eq!(state.frames.measured.len(), 1, "a frame of another network is none of this one's");
    }

    #[test]
    fn parts_add_up() {
        let frame = frame(1, 0.0);
        assert_eq!(PARTS.map(|part| part.measured(&frame)), [10.0, 10.0, 10.0, 10.0, 0.0]);
        assert_eq!(PARTS.map(|part| part.of(&price(1.0))).iter().sum::<f64>(), price(1.0).total_ms());
        assert_eq!([format::error(11.0, 10.0), format::error(1.0, 0.0)], ["+10 %".to_owned(), "–".into()]);
    }
}
