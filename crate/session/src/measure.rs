//! Measurements over a session: pieces of work on the edge's engine, and echoes for the link. Both are the device's
//! requests; the edge answers, and bounds what it can be asked for.

use cleave_arch::{LinkCodec, Probe, SplitMix64, timed};
use cleave_wire::{Limits, Packed, WireError};

use crate::time::Micros;

/// Most runs of one request.
pub const MAX_RUNS: u16 = 64;
/// Most work of one request, by [`Probe::work`]: ten seconds at ten billion operations a second.
pub const MAX_WORK: u64 = 100_000_000_000;
/// Most bytes of an echo, either way.
pub const MAX_ECHO_BYTES: u32 = 4 << 20;

/// How long a piece of work took.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Milliseconds of every run.
    pub ms: Vec<f64>,
    /// Bytes that an encoding made; 0 for everything else.
    pub bytes: u64,
}

/// An answered echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The request was handed to the link, on the device's clock.
    pub sent: Micros,
    /// The edge had all of it, on the edge's clock.
    pub edge_received: u64,
    /// The edge handed its answer to the link, on the edge's clock.
    pub edge_sent: u64,
    /// All of the answer was here, on the device's clock.
    pub arrived: Micros,
}

/// Times a codec: what a machine does to values between its engine and the link. Other probes are the engine's: `None`.
///
/// # Errors
/// Values that the codec cannot carry; none of those made here.
pub async fn measure_codec(probe: &Probe, runs: usize, clock: impl Fn() -> f64) -> Option<Result<Measured, WireError>> {
    match *probe {
        Probe::Encode { codec, values } => Some(encode(codec, values, runs, clock).await),
        Probe::Decode { codec, values } => Some(decode(codec, values, runs, clock).await),
        _ => None,
    }
}

async fn encode(codec: LinkCodec, values: usize, runs: usize, clock: impl Fn() -> f64) -> Result<Measured, WireError> {
    let features = features(values);
    let mut bytes = 0;
    let ms = timed(clock, runs, async |times| {
        for _ in 0..times {
            bytes = Packed::pack(std::slice::from_ref(&features), codec)?.len() as u64;
        }
        Ok(())
    });
    let ms = ms.await?;
    Ok(Measured { ms, bytes })
}

async fn decode(codec: LinkCodec, values: usize, runs: usize, clock: impl Fn() -> f64) -> Result<Measured, WireError> {
    let packed = Packed::pack(&[features(values)], codec)?;
    let ms = timed(clock, runs, async |times| {
        for _ in 0..times {
            packed.unpack(&Limits::DEFAULT)?;
        }
        Ok(())
    });
    Ok(Measured { ms: ms.await?, bytes: 0 })
}

/// What a hidden layer gives: rows of 64 channels, sums of several draws behind a leaky rectifier.
fn features(values: usize) -> cleave_arch::Array {
    let mut rng = SplitMix64::new(1);
    let mut draw = || {
        let sum: f32 = (0..6).map(|_| rng.unit_f32() - 0.5).sum();
        if sum < 0.0 { 0.2 * sum } else { sum }
    };
    let cols = if values.is_multiple_of(64) { 64 } else { 1 };
    let data = cleave_arch::Data::F32((0..values).map(|_| draw()).collect());
    cleave_arch::Array { shape: vec![values / cols, cols], data }
}
