//! The timeline's geometry: when each tier and each direction of the link was busy for the last frames, idle time left out.
//!
//! Frames of a stream overlap, frames run one by one lie seconds apart. Both are drawn on one axis: spans keep their true
//! order and length, and every stretch in which nothing at all was busy is shortened to a small gap.

use crate::format;
use cleave_contract::{Frame, Lane, Outcome, Price, Span};

/// The lanes from top to bottom; the same order everywhere.
pub const LANES: [Lane; 4] = [Lane::Device, Lane::Uplink, Lane::Edge, Lane::Downlink];

/// A lane's place in [`LANES`].
pub fn index(lane: Lane) -> usize {
    match lane {
        Lane::Device => 0,
        Lane::Uplink => 1,
        Lane::Edge => 2,
        Lane::Downlink => 3,
    }
}

/// A lane's word, which is also the name of its colour and texture.
pub fn word(lane: Lane) -> &'static str {
    ["device", "uplink", "edge", "downlink"][index(lane)]
}

/// One busy stretch on the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Whose.
    pub lane: Lane,
    /// The frame it belongs to.
    pub frame: u64,
    /// Milliseconds of axis at which it starts.
    pub start: f64,
    /// Its length in milliseconds.
    pub length: f64,
    /// The length that was predicted; blocks of one frame and lane share their lane's prediction as they share its time.
    pub predicted: Option<f64>,
}

/// The whole drawing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Busy stretches.
    pub blocks: Vec<Block>,
    /// Where idle time was left out, in milliseconds of axis.
    pub breaks: Vec<f64>,
    /// Each frame's number and where it starts.
    pub starts: Vec<(u64, f64)>,
    /// Length of the axis in milliseconds.
    pub length: f64,
    /// Milliseconds between ticks.
    pub tick: f64,
}

/// Part of the busy time that an idle stretch is shortened to.
const GAP: f64 = 0.015;

/// Lays the frames out, oldest first.
pub fn layout<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Layout {
    let mut blocks = absolute(frames);
    blocks.sort_by(|a, b| a.start.total_cmp(&b.start));
    let Some(origin) = blocks.first().map(|block| block.start) else { return Layout::default() };
    let busy = busy_time(&blocks);
    let gap = (GAP * busy).max(0.5);
    let mut layout = Layout::default();
    let (mut shift, mut busy_until) = (origin, origin);
    for mut block in blocks {
        if block.start - busy_until > gap {
            shift += block.start - busy_until - gap;
            layout.breaks.push(busy_until - shift + block.start - busy_until - gap / 2.0);
        }
        busy_until = busy_until.max(block.start + block.length);
        block.start -= shift;
        if layout.starts.iter().all(|(frame, _)| *frame != block.frame) {
            layout.starts.push((block.frame, block.start));
        }
        layout.blocks.push(block);
    }
    let foreseen = layout.blocks.iter().map(|block| block.start + block.predicted.unwrap_or(0.0));
    layout.length = foreseen.fold((busy_until - shift).max(1.0), f64::max);
    layout.tick = tick(layout.length);
    layout
}

fn absolute<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<Block> {
    let block = |frame: &Frame, span: &Span| {
        let length = (span.end_ms - span.start_ms).max(0.0);
        let price = frame.predicted.filter(|_| frame.outcome == Outcome::AsPlanned);
        let measured = totals(frame)[index(span.lane)];
        let predicted = price.filter(|_| measured > 0.0).map(|price| length / measured * lane_ms(&price, span.lane));
        Block { lane: span.lane, frame: frame.id, start: frame.submitted_ms + span.start_ms, length, predicted }
    };
    let finite = |block: &Block| block.start.is_finite() && block.length.is_finite();
    frames.into_iter().flat_map(|frame| frame.spans.iter().map(move |span| block(frame, span))).filter(finite).collect()
}

/// Milliseconds in which at least one lane was busy; the blocks are sorted by start.
fn busy_time(blocks: &[Block]) -> f64 {
    let (mut busy, mut until) = (0.0, f64::NEG_INFINITY);
    for block in blocks {
        let end = block.start + block.length;
        busy += (end - block.start.max(until)).max(0.0);
        until = until.max(end);
    }
    busy
}

/// A round number of milliseconds that divides the axis into four to ten parts.
pub(crate) fn tick(length: f64) -> f64 {
    let rough = length / 8.0;
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// A lane's share of a price, milliseconds.
pub fn lane_ms(price: &Price, lane: Lane) -> f64 {
    [price.device_ms, price.up_ms, price.edge_ms, price.down_ms][index(lane)]
}

/// Milliseconds that each lane was busy for one frame, in the order of [`LANES`].
pub fn totals(frame: &Frame) -> [f64; 4] {
    let mut totals = [0.0; 4];
    for span in &frame.spans {
        totals[index(span.lane)] += (span.end_ms - span.start_ms).max(0.0);
    }
    totals
}

/// The last frame in a sentence: the chart for those who do not see it.
pub fn summary(frame: &Frame) -> String {
    let parts: Vec<String> =
        LANES.iter().zip(totals(frame)).map(|(lane, ms)| format!("{} {}", word(*lane), format::millis(ms))).collect();
    let how = match &frame.outcome {
        Outcome::AsPlanned => String::new(),
        Outcome::Local { .. } => ", finished on the device".into(),
        Outcome::Failed { .. } => ", without an answer".into(),
    };
    format!("Frame {}: {}; {} in all{how}.", frame.id, parts.join(", "), format::millis(frame.total_ms))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A frame whose four stages follow each other, 10 ms each.
    pub(crate) fn frame(id: u64, submitted_ms: f64) -> Frame {
        let span =
            |(i, lane): (usize, &Lane)| Span { lane: *lane, start_ms: 10.0 * i as f64, end_ms: 10.0 * (i + 1) as f64 };
        Frame {
            id,
            submitted_ms,
            outcome: Outcome::AsPlanned,
            spans: LANES.iter().enumerate().map(span).collect(),
            total_ms: 40.0,
            bytes_up: 1,
            bytes_down: 1,
            probabilities: vec![0.1; 10],
            delta: None,
            bound: None,
            predicted: None,
            plan: String::new(),
            codec: String::new(),
        }
    }

    #[test]
    fn overlapping_frames_keep_their_times() {
        let layout = layout([&frame(1, 100.0), &frame(2, 110.0)]);
        assert_eq!((layout.length, layout.breaks.len()), (50.0, 0));
        let second: Vec<f64> = layout.blocks.iter().filter(|b| b.frame == 2).map(|b| b.start).collect();
        assert_eq!(second, [10.0, 20.0, 30.0, 40.0]);
        assert_eq!(layout.starts, [(1, 0.0), (2, 10.0)]);
    }

    #[test]
    fn a_prediction_is_an_outline_of_its_lane() {
        let mut frame = frame(1, 0.0);
        frame.spans.push(Span { lane: Lane::Device, start_ms: 40.0, end_ms: 45.0 });
        frame.predicted = Some(crate::price::tests::price(30.0));
        let outlines: Vec<Option<f64>> = layout([&frame]).blocks.iter().map(|block| block.predicted).collect();
        assert_eq!(outlines, [20.0, 2.0, 1.0, 0.5, 10.0].map(Some), "30 ms over 10 and 5 ms, then the others' own");
        assert_eq!(layout([&frame]).length, 50.0, "the last outline ends after the last block");
        frame.outcome = Outcome::Local { why: String::new() };
        assert!(layout([&frame]).blocks.iter().all(|block| block.predicted.is_none()));
    }

    #[test]
    fn idle_time_is_left_out() {
        let layout = layout([&frame(1, 0.0), &frame(2, 60_000.0)]);
        let gap = GAP * 80.0;
        assert!((layout.length - 80.0 - gap).abs() < 1e-6, "{}", layout.length);
        assert!((layout.breaks[0] - 40.0 - gap / 2.0).abs() < 1e-6, "{:?}", layout.breaks);
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (length, step) in [(40.0, 5.0), (81.0, 20.0), (9.0, 2.0), (1234.0, 200.0)] {
            assert_eq!(tick(length), step, "{length}");
        }
    }

    #[test]
    fn nothing_makes_an_empty_drawing() {
        assert_eq!(layout([]), Layout::default());
        let mut broken = frame(1, 0.0);
        broken.spans[0].end_ms = f64::NAN;
        assert!(layout([&broken]).length.is_finite());
    }

    #[test]
    fn the_summary_names_every_lane() {
        let text = summary(&frame(7, 0.0));
        assert_eq!(text, "Frame 7: device 10.0 ms, uplink 10.0 ms, edge 10.0 ms, downlink 10.0 ms; 40.0 ms in all.");
    }
}
