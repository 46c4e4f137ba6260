//! One sample of every message kind, with values that make each field visible in its bytes.

use cleave_arch::array::Array;
use cleave_arch::{Codec, Compression, LinkCodec};
use cleave_wire::{
    Answer, Call, LinkShape, ModelHash, Offer, Packed, Refusal, RefusalCode, Subject, Timing, ToDevice, ToEdge,
    ValidationSet, WeightSource, limits::Limits,
};

pub fn codec(codec: Codec, compression: Compression) -> LinkCodec {
    LinkCodec { codec, compression }
}

pub fn hash() -> ModelHash {
    let mut bytes = [0; 32];
    bytes.iter_mut().enumerate().for_each(|(i, b)| *b = i as u8);
    ModelHash(bytes)
}

pub fn tensors(codec: LinkCodec) -> Packed {
    let features = Array::f32(vec![2, 3], vec![1.0, -2.0, 0.0, 0.5, 4.0, 0.0]).unwrap();
    let graph = Array::u16(vec![2, 2], vec![0, 1, 1, 0x0102]).unwrap();
    Packed::pack(&[features, graph], codec).unwrap()
}

pub fn deploy(cuts: &[usize], weights: WeightSource) -> ToEdge {
    let graph = "1x8x8: conv 4 k3 p1, relu, conv 2 k3".into();
    let codec = codec(Codec::I8, Compression::Lz4);
    ToEdge::Deploy { deployment: 2, graph, cuts: cuts.to_vec(), weights, codec }
}

pub fn to_edge() -> Vec<(&'static str, ToEdge)> {
    let frame = |codec| ToEdge::Frame { id: 7, deployment: 2, segment: 1, deadline_ms: 500, tensors: tensors(codec) };
    vec![
        ("hello", ToEdge::Link(Call::Hello { token: "s3cret".into(), name: "tab é".into(), role: () })),
        ("deploy-file", deploy(&[1, 2], WeightSource::File(hash()))),
        ("deploy-seeded", deploy(&[], WeightSource::Seeded(0x0102_0304_0506_0708))),
        ("weights", ToEdge::Link(Call::Weights { model: hash(), offset: 256, total: 260, chunk: vec![9, 8, 7, 6] })),
        ("frame-f32", frame(codec(Codec::F32, Compression::None))),
        ("frame-f16", frame(codec(Codec::F16, Compression::None))),
        ("frame-i8", frame(codec(Codec::I8, Compression::None))),
        ("frame-f32-lz4", frame(codec(Codec::F32, Compression::Lz4))),
        ("cancel", ToEdge::Cancel { id: 7 }),
        ("ping", ToEdge::Link(Call::Ping { id: 3, sent_micros: 1_000_000 })),
        ("shape", ToEdge::Shape(LinkShape { bits_per_second: 40_000_000, delay_micros: 2000, jitter_micros: 300 })),
        ("close", ToEdge::Link(Call::Close)),
        ("measure", ToEdge::Measure { id: 5, probe: "op 3 0 1024 64 20".parse().unwrap(), runs: 4 }),
        ("echo", ToEdge::Echo { id: 6, answer_bytes: 16_384, payload: vec![0, 0, 0] }),
        ("validation", ToEdge::Validation { offset: 65_536 }),
    ]
}

pub fn to_device() -> Vec<(&'static str, ToDevice)> {
    let timing = Timing { received_micros: 10, started_micros: 11, finished_micros: 12, sent_micros: 13 };
    let refusal = |subject, code| {
        let (wrong, right) = ("token is wrong".into(), "use the URL".into());
        ToDevice::Link(Answer::Refused(Refusal { subject, code, wrong, right }))
    };
    let welcome = |validation| {
        ToDevice::Link(Answer::Welcome {
            version: "0.1.0".into(),
            name: "edge".into(),
            threads: 2,
            limits: Limits::DEFAULT,
            offer: Offer { credit: 4, validation },
        })
    };
    let set = ValidationSet { name: "ModelNet10".into(), clouds: 190, bytes: 1_290_460, digest: 0x3f2a_9c41 };
    vec![
        ("welcome", welcome(None)),
        ("welcome-validation", welcome(Some(set))),
        ("need-weights", ToDevice::Link(Answer::NeedWeights { model: hash() })),
        ("weights-progress", ToDevice::Link(Answer::WeightsProgress { model: hash(), received: 256, total: 260 })),
        ("deployed", ToDevice::Deployed { deployment: 2 }),
        ("result", ToDevice::Result { id: 7, timing, tensors: tensors(codec(Codec::F32, Compression::None)) }),
        (
            "pong",
            ToDevice::Link(Answer::Pong {
                id: 3,
                sent_micros: 1_000_000,
                received_micros: 20,
                answered_micros: 21,
                state: (),
            }),
        ),
        ("credit", ToDevice::Credit { n: 1 }),
        ("refused-session", refusal(Subject::Session, RefusalCode::BadToken)),
        ("refused-frame", refusal(Subject::Frame(7), RefusalCode::BadTensors)),
        ("refused-deployment", refusal(Subject::Deployment(2), RefusalCode::Unknown(200))),
        ("refused-measurement", refusal(Subject::Measurement(5), RefusalCode::BadMeasurement)),
        ("measured", ToDevice::Measured { id: 5, bytes: 12, nanos: vec![1_500_000, 1_499_000] }),
        ("echoed", ToDevice::Echoed { id: 6, received_micros: 20, sent_micros: 21, payload: vec![0, 0] }),
        ("validation-piece", ToDevice::Validation { offset: 65_536, piece: vec![3, 2, 1] }),
    ]
}
