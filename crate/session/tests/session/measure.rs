//! Measurements and echoes: answered once each, bounded, given up with the connection, and true to a shaped link.

use cleave_arch::Probe;
use cleave_session::{DeviceEvent, Micros};
use cleave_wire::LinkShape;

use crate::sim::{Fate, Settings, World};
use crate::toy;

fn probe() -> Probe {
    "op 3 0 1024 64 20".parse().unwrap()
}

fn world() -> World {
    World::connected(toy::work(&[6], "f32"), Settings::default())
}

#[test]
fn a_measurement_is_answered_with_every_run() {
    let mut world = world();
    world.device(DeviceEvent::Measure { id: 9, probe: probe(), runs: 4 });
    world.run_for(Micros::from_millis(100));
    let (id, result) = world.measured.pop().unwrap();
    let measured = result.unwrap();
    assert_eq!((id, measured.ms.len(), measured.bytes), (9, 4, 12));
    assert!((measured.ms[0] - 0.5).abs() < 1e-9);
    assert!(world.measured.is_empty() && world.is_ready());
}

#[test]
fn what_would_take_too_long_is_refused_with_words_and_the_session_goes_on() {
    let mut world = world();
    let large: Probe = "op 3 0 65536 256 20".parse().unwrap();
    for (id, probe, runs) in [(1, probe(), 0), (2, probe(), 65), (3, large, 1)] {
        world.device(DeviceEvent::Measure { id, probe, runs });
    }
    // Two at once: the second has to wait for the first.
    world.device(DeviceEvent::Measure { id: 4, probe: probe(), runs: 2 });
    world.device(DeviceEvent::Measure { id: 5, probe: probe(), runs: 2 });
    world.run_for(Micros::from_millis(100));
    let said = |id: u32| {
        world.measured.iter().find(|(other, _)| *other == id).unwrap().1.clone().map_err(|error| error.to_string())
    };
    assert!(said(1).unwrap_err().contains("0 runs were asked for; ask for 1 to 64"));
    assert!(said(2).unwrap_err().contains("65 runs"));
    assert!(said(3).unwrap_err().contains("`op 3 0 65536 256 20` takes"));
    assert!(said(4).is_ok());
    assert!(said(5).unwrap_err().contains("another measurement is under way"));
    assert_eq!(world.measured.len(), 5);
    assert!(world.is_ready());
}

#[test]
fn nothing_is_awaited_from_an_edge_that_is_gone() {
    let mut world = world();
    world.device(DeviceEvent::Measure { id: 1, probe: probe(), runs: 60 });
    world.device(DeviceEvent::Echo { id: 2, bytes: 10, answer_bytes: 10 });
    world.fate_after(Micros(10), Fate::Kill);
    world.run_for(Micros::from_millis(100));
    world.device(DeviceEvent::Echo { id: 3, bytes: 10, answer_bytes: 10 });
    assert!(world.measured.pop().unwrap().1.unwrap_err().to_string().contains("no edge"));
    assert_eq!(world.echoed.iter().map(|(id, echo)| (*id, echo.is_err())).collect::<Vec<_>>(), [(2, true), (3, true)]);
}

#[test]
fn trains_of_echoes_tell_the_rates_of_both_directions() {
    for mbps in [5, 10, 40, 100, 200] {
        let mut world = world();
        let shape = LinkShape { bits_per_second: mbps * 1_000_000, delay_micros: 4_000, jitter_micros: 0 };
        world.device(DeviceEvent::Shape { up: shape, down: shape });
        world.run_for(Micros::from_millis(50));
        for (bytes, answer_bytes) in [(16_384, 0), (0, 16_384)] {
            (0..33).for_each(|id| world.device(DeviceEvent::Echo { id, bytes, answer_bytes }));
            world.run_for(Micros::from_millis(3_000));
            let echoes: Vec<_> = world.echoed.drain(..).map(|(_, echo)| echo.unwrap()).collect();
            let moment = |i: usize| if bytes > 0 { echoes[i].edge_received } else { echoes[i].arrived.0 };
            let rate = 32.0 * 16_384.0 * 8.0 / (moment(32) - moment(0)) as f64;
            assert!((rate / mbps as f64 - 1.0).abs() < 0.01, "{rate} of {mbps} Mbps");
        }
        world.device(DeviceEvent::Echo { id: 0, bytes: 0, answer_bytes: 0 });
        world.run_for(Micros::from_millis(100));
        let echo = world.echoed.pop().unwrap().1.unwrap();
        let round_trip = (echo.arrived - echo.sent).0 as f64;
        assert!((round_trip / 8_600.0 - 1.0).abs() < 0.02, "{round_trip} µs: twice 4 ms and twice 0.3 ms");
    }
}
