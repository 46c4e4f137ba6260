//! Numbers as people read them: fixed decimals and always a unit, so that a changing figure does not move its neighbours.

/// Bytes in decimal units, the ones links are sold in: `512 B`, `262.1 kB`, `1.57 MB`.
pub fn bytes(n_bytes: usize) -> String {
    let n = n_bytes as f64;
    match n_bytes {
        0..1_000 => format!("{n_bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", n / 1e3),
        _ => format!("{:.2} MB", n / 1e6),
    }
}

/// Milliseconds with one decimal, seconds with two from ten seconds on.
pub fn millis(millis: f64) -> String {
    if millis < 10_000.0 { format!("{millis:.1} ms") } else { format!("{:.2} s", millis / 1e3) }
}

/// Minutes and seconds of a clock that began at 0: `2:05`.
pub fn clock(millis: f64) -> String {
    let seconds = (millis.max(0.0) / 1e3) as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// A probability in 0..=1 as a percentage.
pub fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

/// A count with thin groups of three: `1 809 576`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A difference that is usually tiny: `0`, `3.1e-6`, `0.012`.
pub fn delta(delta: f32) -> String {
    match delta.abs() {
        0.0 => "0".into(),
        d if d < 1e-2 => format!("{d:.1e}"),
        d => format!("{d:.3}"),
    }
}

/// Extents as the pipeline shows a tensor: `1024 × 64`.
pub fn shape(extents: &[usize]) -> String {
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ")
}

/// The conditions of a link in words: `unshaped`, `40 Mbps, 5 ms ± 1 ms`.
pub fn link(link: &cleave_contract::Link) -> String {
    let rate = if link.mbps > 0.0 { format!("{} Mbps", link.mbps) } else { "unshaped".into() };
    match (link.delay_ms > 0.0, link.jitter_ms > 0.0) {
        (false, false) => rate,
        (_, false) => format!("{rate}, +{} ms each way", link.delay_ms),
        (_, true) => format!("{rate}, +{}…{} ms each way", link.delay_ms, link.delay_ms + link.jitter_ms),
    }
}

/// What is said wherever a slower device is emulated: `, emulated 4 × slower`; nothing of one that is as it is.
pub fn slower(times: f64) -> String {
    if times == 1.0 { String::new() } else { format!(", emulated {times} × slower") }
}

/// An engine's name.
pub fn engine(backend: cleave_contract::Backend) -> &'static str {
    match backend {
        cleave_contract::Backend::Wasm => "wasm SIMD",
        cleave_contract::Backend::WebGpu => "WebGPU",
    }
}

/// A class as a person writes it: `night_stand` → `night stand`.
pub fn class(name: &str) -> String {
    name.replace('_', " ")
}

/// A phrase as a sentence: with a full stop, unless it ends in one.
pub fn sentence(phrase: &str) -> String {
    let phrase = phrase.trim();
    if phrase.is_empty() || phrase.ends_with(['.', '!', '?', '…']) { phrase.into() } else { format!("{phrase}.") }
}

/// Predicted over measured, minus one, as a signed percentage.
pub fn error(predicted: f64, measured: f64) -> String {
    if measured <= 0.0 { "–".into() } else { format!("{:+.0} %", 100.0 * (predicted / measured - 1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_contract::Link;

    #[test]
    fn units_follow_the_size() {
        assert_eq!([bytes(0), bytes(999), bytes(262_144), bytes(1_572_864)], ["0 B", "999 B", "262.1 kB", "1.57 MB"]);
        assert_eq!([millis(0.04), millis(61.25), millis(12_345.0)], ["0.0 ms", "61.2 ms", "12.35 s"]);
        assert_eq!([clock(0.0), clock(125_900.0), clock(-1.0)], ["0:00", "2:05", "0:00"]);
        assert_eq!(percent(0.9613), "96.1 %");
        assert_eq!([count(7), count(1_809_576)], ["7", "1\u{202f}809\u{202f}576"]);
        assert_eq!([delta(0.0), delta(3.14e-6), delta(0.0123)], ["0", "3.1e-6", "0.012"]);
    }

    #[test]
    fn a_sentence_ends_once() {
        assert_eq!([sentence("No faces"), sentence("No faces. "), sentence("")], ["No faces.", "No faces.", ""]);
    }

    #[test]
    fn a_link_names_only_what_is_imposed() {
        let text = |mbps, delay_ms, jitter_ms| link(&Link { mbps, delay_ms, jitter_ms });
        assert_eq!(text(0.0, 0.0, 0.0), "unshaped");
        assert_eq!(text(40.0, 5.0, 0.0), "40 Mbps, +5 ms each way");
        assert_eq!(text(0.0, 5.0, 2.0), "unshaped, +5…7 ms each way");
        assert_eq!([slower(1.0), slower(2.5)], ["", ", emulated 2.5 × slower"]);
    }
}
