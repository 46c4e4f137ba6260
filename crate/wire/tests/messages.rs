//! Every message kind: its bytes are those committed in `messages.txt`, it comes back as it went, its header tells its
//! length, and no mutation of its bytes can panic the reader.

#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::path::Path;

use cleave_arch::SplitMix64;
use cleave_wire::header::HEADER_BYTES;
use cleave_wire::{
    Call, Header, Limits, PROTOCOL_VERSION, Packed, Refusal, RefusalCode, Subject, ToDevice, ToEdge, WeightSource,
    WireError,
};

fn all_bytes() -> Vec<(&'static str, Vec<u8>)> {
    let up = common::to_edge().into_iter().map(|(name, message)| (name, message.encode()));
    let down = common::to_device().into_iter().map(|(name, message)| (name, message.encode()));
    up.chain(down).collect()
}

/// `BLESS=1 cargo test -p cleave-wire` writes the file anew; then bump `PROTOCOL_VERSION`.
#[test]
fn bytes_are_those_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages.txt");
    let mut text = String::new();
    for (name, bytes) in all_bytes() {
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writeln!(text, "{name} {hex}").unwrap();
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
}

#[test]
fn messages_come_back() {
    for (name, message) in common::to_edge() {
        assert_eq!(ToEdge::decode(&message.encode(), &Limits::DEFAULT), Ok(message), "{name}");
    }
    for (name, message) in common::to_device() {
        assert_eq!(ToDevice::decode(&message.encode(), &Limits::DEFAULT), Ok(message), "{name}");
    }
}

#[test]
fn a_network_is_deployed_with_either_weights_and_two_cuts_at_most() {
    for weights in [WeightSource::Seeded(u64::MAX), WeightSource::File(common::hash())] {
        for cuts in [&[][..], &[0], &[255], &[0, 0], &[3, 200], &[9, 2]] {
            let message = common::deploy(cuts, weights);
            assert_eq!(ToEdge::decode(&message.encode(), &Limits::DEFAULT), Ok(message));
        }
        let error = ToEdge::decode(&common::deploy(&[1, 2, 3], weights).encode(), &Limits::DEFAULT);
        assert_eq!(error, Err(WireError::Limit { field: "cuts", value: 3, limit: 2, unit: "" }));
    }
}

#[test]
fn header_tells_the_length() {
    for (name, bytes) in all_bytes() {
        let header = Header::read(&bytes).unwrap();
        assert_eq!(header.length as usize + HEADER_BYTES, bytes.len(), "{name}");
        for cut in 0..bytes.len() {
            assert!(ToEdge::decode(&bytes[..cut], &Limits::DEFAULT).is_err(), "{name} cut to {cut} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(decode_either(&longer), Err(WireError::Length { .. })), "{name}");
    }
}

fn decode_either(bytes: &[u8]) -> Result<(), WireError> {
    match Header::read(bytes)?.kind {
        0..128 => ToEdge::decode(bytes, &Limits::DEFAULT).map(drop),
        _ => ToDevice::decode(bytes, &Limits::DEFAULT).map(drop),
    }
}

#[test]
fn directions_do_not_mix() {
    let (_, down) = common::to_device().remove(0);
    let found = 129;
    assert_eq!(ToEdge::decode(&down.encode(), &Limits::DEFAULT), Err(WireError::Kind { found, direction: "edge" }));
}

#[test]
fn another_version_is_named_and_can_be_answered() {
    let mut bytes = ToEdge::Link(Call::Close).encode();
    bytes[4] = 9;
    let error = ToEdge::decode(&bytes, &Limits::DEFAULT).unwrap_err();
    assert_eq!(error, WireError::Version { theirs: 9, ours: PROTOCOL_VERSION });
    assert!(
        error.to_string().contains("version 9") && error.to_string().contains(&format!("version {PROTOCOL_VERSION}")),
        "{error}"
    );

    let refusal = Refusal {
        subject: Subject::Session,
        code: RefusalCode::WrongVersion,
        wrong: error.to_string(),
        right: String::new(),
    };
    let answer = refusal.encode_as(9);
    assert_eq!(Header::read(&answer).unwrap().version, 9);
}

#[test]
fn too_large_a_message_is_refused_before_it_is_read() {
    let limits = Limits { max_frame_bytes: 100, ..Limits::DEFAULT };
    let (_, frame) = common::to_edge().into_iter().find(|(name, _)| *name == "frame-f32").unwrap();
    let mut bytes = frame.encode();
    bytes.resize(101, 0);
    let error = ToEdge::decode(&bytes, &limits).unwrap_err();
    assert_eq!(error, WireError::Limit { field: "message", value: 101, limit: 100, unit: "bytes" });
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let name = "é".repeat(10_000);
    let bytes = ToEdge::Link(Call::Hello { token: String::new(), name, role: () }).encode();
    let hello = ToEdge::decode(&bytes, &Limits::DEFAULT);
    let Ok(ToEdge::Link(Call::Hello { name, .. })) = hello else { panic!("{hello:?}") };
    assert_eq!(name, "é".repeat(8192));
}

/// Flipped bytes, changed lengths, cuts and joins of every message: an error or a message, never a panic, and never
/// more than the limits allow.
#[test]
fn mutated_bytes_never_panic() {
    let limits = Limits { max_tensor_bytes: 1 << 16, ..Limits::DEFAULT };
    let samples = all_bytes();
    let mut rng = SplitMix64::new(0x00C1_EA7E);
    let mut decoded = 0u32;
    for round in 0..60_000 {
        let mut bytes = samples[round % samples.len()].1.clone();
        mutate(&mut bytes, &mut rng);
        if let Ok(ToEdge::Frame { tensors, .. }) = ToEdge::decode(&bytes, &limits) {
            decoded += u32::from(unpack_within(&tensors, &limits));
        }
        if let Ok(ToDevice::Result { tensors, .. }) = ToDevice::decode(&bytes, &limits) {
            decoded += u32::from(unpack_within(&tensors, &limits));
        }
    }
    assert!(decoded > 1000, "only {decoded} mutated frames were read: the mutation is too coarse to test anything");
}

fn unpack_within(tensors: &Packed, limits: &Limits) -> bool {
    let Ok(arrays) = tensors.unpack(limits) else { return false };
    let bytes: usize = arrays.iter().map(|array| array.bytes()).sum();
    assert!(bytes as u64 <= limits.max_tensor_bytes);
    true
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut SplitMix64) {
    let mut draw = |n: usize| (rng.next_u64() % n as u64) as usize;
    for _ in 0..=draw(3) {
        let at = HEADER_BYTES.min(bytes.len() - 1) + draw(bytes.len().saturating_sub(HEADER_BYTES).max(1));
        let at = at.min(bytes.len() - 1);
        match draw(4) {
            0 => bytes[at] ^= 1 << draw(8),
            1 => bytes[at] = [0, 1, 127, 128, 255][draw(5)],
            2 => bytes.truncate(at.max(1)),
            _ => bytes.insert(at, draw(256) as u8),
        }
    }
    // With the true length the reader goes on into the body instead of stopping at the header.
    if bytes.len() >= HEADER_BYTES && draw(8) != 0 {
        let length = (bytes.len() - HEADER_BYTES) as u32;
        bytes[6..10].copy_from_slice(&length.to_le_bytes());
    }
}
