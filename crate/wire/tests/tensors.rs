//! The tensor codec: what comes back, how far it may be off, and what is refused.

#![allow(clippy::unwrap_used)]

use cleave_arch::array::{Array, Data};
use cleave_arch::{Codec, Compression, LinkCodec};
use cleave_wire::{Limits, Packed, WireError};
use proptest::prelude::*;

const PLAIN: Compression = Compression::None;
const LZ4: Compression = Compression::Lz4;

fn through(array: &Array, codec: Codec, compression: Compression) -> Array {
    let packed = Packed::pack(std::slice::from_ref(array), LinkCodec { codec, compression }).unwrap();
    packed.unpack(&Limits::DEFAULT).unwrap().remove(0)
}

fn values(array: &Array) -> &[f32] {
    match &array.data {
        Data::F32(values) => values,
        Data::U16(_) => panic!("not f32"),
    }
}

fn matrix() -> impl Strategy<Value = Array> {
    (1usize..20, 1usize..20).prop_flat_map(|(rows, columns)| {
        let value = prop_oneof![4 => -100.0f32..100.0, 1 => Just(0.0), 1 => -1e-3f32..1e-3];
        proptest::collection::vec(value, rows * columns)
            .prop_map(move |data| Array::f32(vec![rows, columns], data).unwrap())
    })
}

/// Maps, as an image network has them.
fn maps() -> impl Strategy<Value = Array> {
    (1usize..6, 1usize..6, 1usize..6).prop_flat_map(|(maps, rows, columns)| {
        proptest::collection::vec(-100.0f32..100.0, maps * rows * columns)
            .prop_map(move |data| Array::f32(vec![maps, rows, columns], data).unwrap())
    })
}

/// Which scale the value at a place counts with: its column's, its map's, or its sixteenth's of a single row.
fn scale_of(array: &Array, place: usize) -> usize {
    match array.shape[..] {
        [1, _] => place / 16,
        [_, columns] => place % columns,
        [_, rows, columns] => place / (rows * columns),
        _ => panic!("{:?} has no scales", array.shape),
    }
}

/// How many scales there are.
fn n_scales(array: &Array) -> usize {
    1 + (0..values(array).len()).map(|place| scale_of(array, place)).max().unwrap()
}

/// max|v| / 127 of what shares a scale with the value at a place.
fn scale(array: &Array, place: usize) -> f32 {
    let shares = |other: &usize| scale_of(array, *other) == scale_of(array, place);
    (0..values(array).len()).filter(shares).fold(0.0f32, |m, other| m.max(values(array)[other].abs())) / 127.0
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn f32_is_exact(array in matrix(), lz4 in any::<bool>()) {
        prop_assert_eq!(&through(&array, Codec::F32, if lz4 { LZ4 } else { PLAIN }), &array);
    }

    /// Half precision has 11 significant bits: half a unit in the last place is 2⁻¹¹ of the value, and 2⁻²⁵ below the
    /// smallest normal.
    #[test]
    fn f16_is_within_half_a_unit(array in matrix(), lz4 in any::<bool>()) {
        let back = through(&array, Codec::F16, if lz4 { LZ4 } else { PLAIN });
        for (value, got) in values(&array).iter().zip(values(&back)) {
            prop_assert!((value - got).abs() <= value.abs() / 2048.0 + 2f32.powi(-25), "{value} became {got}");
        }
    }

    #[test]
    fn i8_is_within_half_a_scale(array in prop_oneof![matrix(), maps()], lz4 in any::<bool>()) {
        let back = through(&array, Codec::I8, if lz4 { LZ4 } else { PLAIN });
        for (place, (value, got)) in values(&array).iter().zip(values(&back)).enumerate() {
            let scale = scale(&array, place);
            prop_assert!((value - got).abs() <= scale * 0.5001, "{value} became {got}, scale {scale}");
        }
    }

    #[test]
    fn indexes_are_exact_under_every_codec(data in proptest::collection::vec(any::<u16>(), 1..300), which in 0..6usize) {
        let array = Array::u16(vec![data.len(), 1], data).unwrap();
        let codec = [Codec::F32, Codec::F16, Codec::I8][which % 3];
        prop_assert_eq!(&through(&array, codec, if which < 3 { LZ4 } else { PLAIN }), &array);
    }

    /// Without compression the payload is what `Codec::bytes` promises the planner.
    #[test]
    fn payload_is_as_long_as_promised(array in prop_oneof![matrix(), maps()]) {
        let n = array.len();
        for (codec, payload) in [(Codec::F32, 4 * n), (Codec::F16, 2 * n), (Codec::I8, n + 4 * n_scales(&array))] {
            let packed = Packed::pack(std::slice::from_ref(&array), LinkCodec { codec, compression: PLAIN }).unwrap();
            prop_assert_eq!(packed.len(), 2 + 3 + 4 * array.shape.len() + 4 + payload);
            prop_assert_eq!(codec.bytes(&array.shape), payload);
        }
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Packed::from_bytes(bytes).unpack(&Limits::DEFAULT);
    }
}

#[test]
fn i8_by_hand() {
    let array = Array::f32(vec![2, 3], vec![127.0, 0.0, -1.0, -63.5, 0.0, 0.5]).unwrap();
    let packed = Packed::pack(&[array], LinkCodec { codec: Codec::I8, compression: PLAIN }).unwrap();
    // Scales 1, 0, 1/127; values 127, 0, -127 / -64 (63.5 rounds away from zero), 0, 64 (63.5 again).
    assert_eq!(packed.bytes()[packed.len() - 6..], [127, 0, 129, 192, 0, 64]);
}

/// Each map is a thousand times as large as the one before: with one scale for all, the first would come back as zeros.
#[test]
fn i8_of_maps_has_a_scale_for_each() {
    let size = |map: usize| [0.01f32, 10.0, 10_000.0][map];
    let data = (0..60).map(|place| size(place / 20) * (1.0 - (place % 20) as f32 / 11.0)).collect();
    let array = Array::f32(vec![3, 4, 5], data).unwrap();
    let packed =
        Packed::pack(std::slice::from_ref(&array), LinkCodec { codec: Codec::I8, compression: PLAIN }).unwrap();
    assert_eq!(packed.len(), 2 + 3 + 4 * 3 + 4 + 3 * 4 + 60);
    let back = packed.unpack(&Limits::DEFAULT).unwrap().remove(0);
    assert_eq!(back.shape, [3, 4, 5]);
    for (place, (value, got)) in values(&array).iter().zip(values(&back)).enumerate() {
        let half = 0.5001 * size(place / 20) / 127.0;
        assert!((value - got).abs() <= half, "{value} became {got}, more than {half} off");
    }
}

#[test]
fn i8_of_a_single_row_has_a_scale_for_every_sixteen_values() {
    // The second part is a thousand times as large, and not full.
    let value = |i: usize| if i < 16 { i as f32 - 7.0 } else { 1e3 * (i as f32 - 12.0) };
    let array = Array::f32(vec![1, 20], (0..20).map(value).collect()).unwrap();
    let packed =
        Packed::pack(std::slice::from_ref(&array), LinkCodec { codec: Codec::I8, compression: PLAIN }).unwrap();
    assert_eq!(packed.len(), 2 + 3 + 4 * 2 + 4 + 2 * 4 + 20);
    let back = packed.unpack(&Limits::DEFAULT).unwrap().remove(0);
    assert_eq!(back.shape, [1, 20]);
    for (at, (value, got)) in values(&array).iter().zip(values(&back)).enumerate() {
        let half = 0.5001 * if at < 16 { 8.0 } else { 7e3 } / 127.0;
        assert!((value - got).abs() <= half, "{at}: {value} became {got}");
    }
}

#[test]
fn i8_of_subnormal_values_stays_finite() {
    let array = Array::f32(vec![1, 2], vec![1e-44, -f32::MIN_POSITIVE]).unwrap();
    let back = through(&array, Codec::I8, PLAIN);
    assert!(values(&back).iter().zip(values(&array)).all(|(a, b)| (a - b).abs() <= f32::MIN_POSITIVE / 2.0));
}

#[test]
fn values_that_a_codec_cannot_carry_are_refused() {
    for (codec, value) in [(Codec::I8, f32::NAN), (Codec::I8, f32::INFINITY), (Codec::F16, 65536.0)] {
        let array = Array::f32(vec![1, 3], vec![0.0, value, 1.0]).unwrap();
        let error = Packed::pack(&[array], LinkCodec { codec, compression: PLAIN }).unwrap_err();
        let WireError::Unrepresentable { tensor: 0, position: 1, .. } = error else { panic!("{error}") };
    }
    let infinite = Array::f32(vec![1, 1], vec![f32::INFINITY]).unwrap();
    assert_eq!(through(&infinite, Codec::F32, LZ4), infinite);
}

#[test]
fn an_answer_stays_exact_under_every_codec() {
    let logits = Array::f32(vec![4], vec![0.1, 0.2, -1e9, 3.0]).unwrap();
    for codec in [Codec::F32, Codec::F16, Codec::I8] {
        assert_eq!(through(&logits, codec, LZ4), logits);
    }
}

/// Sparse values, dense values and a graph of near nodes: LZ4 must gain on each, and give them back.
#[test]
fn lz4_makes_typical_tensors_smaller() {
    let mut rng = cleave_arch::SplitMix64::new(1);
    let dense: Vec<f32> = (0..4096).map(|_| rng.unit_f32() + rng.unit_f32() - 0.5).collect();
    let sparse = dense.iter().map(|v| (v - 0.5).max(0.0)).collect();
    let graph = (0..64 * 20).map(|i| (i / 20 * 16 + rng.below(100)) as u16).collect();
    for (most_percent, array) in [
        (70, Array::f32([64, 64], sparse).unwrap()),
        (97, Array::f32([64, 64], dense).unwrap()),
        (65, Array::u16([64, 20], graph).unwrap()),
    ] {
        let packed =
            Packed::pack(std::slice::from_ref(&array), LinkCodec { codec: Codec::F32, compression: LZ4 }).unwrap();
        assert!(packed.len() * 100 < array.bytes() * most_percent, "{} of {}", packed.len(), array.bytes());
        assert_eq!(packed.unpack(&Limits::DEFAULT).unwrap(), [array]);
    }
}

/// Noise does not compress: it is stored as it is, 17 bytes of description aside.
#[test]
fn lz4_never_makes_a_tensor_larger() {
    let mut rng = cleave_arch::SplitMix64::new(2);
    let noise = Array::u16([64, 64], (0..4096).map(|_| rng.next_u64() as u16).collect()).unwrap();
    let packed = Packed::pack(std::slice::from_ref(&noise), LinkCodec { codec: Codec::F32, compression: LZ4 }).unwrap();
    assert_eq!(packed.len(), noise.bytes() + 17);
}

/// Two bytes that claim to unpack to 4 GB, once by one tensor and once by many that each keep to the limit.
#[test]
fn bombs_are_refused() {
    let bomb = |dims: [u32; 2], count: u16, stored: &[u8]| {
        let mut bytes = count.to_le_bytes().to_vec();
        for _ in 0..count {
            bytes.extend([0, 1, 2]);
            dims.iter().for_each(|dim| bytes.extend(dim.to_le_bytes()));
            bytes.extend((stored.len() as u32).to_le_bytes());
            bytes.extend(stored);
        }
        Packed::from_bytes(bytes).unpack(&Limits::DEFAULT).unwrap_err()
    };
    assert!(matches!(bomb([u32::MAX, u32::MAX], 1, &[0, 0]), WireError::Limit { .. }));
    assert!(matches!(bomb([1024, 1024], 1, &[0, 0]), WireError::Compressed { needed: 4_194_304, .. }));
    let zeros = lz4_flex::block::compress(&vec![0; 4 << 20]);
    assert!(matches!(bomb([1024, 1024], 17, &zeros), WireError::Limit { field: "unpacked tensors", .. }));
}
