//! The URL is the state: one table of properties prints [`Settings`] as a query and parses it back, seed included.
//!
//! A property that has its default value is left out, so a fresh page has a clean address. What cannot be read is reported
//! and its default used: an old or mistyped link still opens. The edge's token never gets into the query: it arrives in the
//! fragment and is dropped from sight at once.

use crate::needed::{Needed, number, positive};
use crate::partition::form::{MOST_MBPS, MOST_MILLIS, MOST_SLOWER};
use crate::partition::member::address;
use crate::state::settings::{Cuts, Settings};
use cleave_arch::MODELNET10 as CLASSES;
use cleave_contract::{
    Backend, EdgeAddress, MAX_COOPERATION_RUNS, MAX_IN_FLIGHT, MAX_PARTITION_WORKERS, MAX_SLOWDOWN,
    MIN_PARTITION_WORKERS, PartitionStrategy, Preference,
};

/// How one part of the state is written and read.
struct Property {
    key: &'static str,
    print: fn(&Settings) -> String,
    parse: fn(&mut Settings, &str) -> Result<(), Needed>,
}

const PROPERTIES: [Property; 21] = [
    Property {
        key: "net",
        print: |s| s.network.clone(),
        parse: |s, text| {
            s.network = text.to_owned();
            Ok(())
        },
    },
    Property {
        key: "cut",
        print: |s| print_cuts(&s.cuts),
        parse: |s, text| parse_cuts(text).map(|cuts| s.cuts = cuts),
    },
    Property {
        key: "codec",
        print: |s| s.codec.to_string(),
        parse: |s, text| {
            s.codec = text.parse()?;
            Ok(())
        },
    },
    Property { key: "class", print: |s| CLASSES[s.class].to_owned(), parse: parse_class },
    Property {
        key: "seed",
        print: |s| s.seed.to_string(),
        parse: |s, text| whole(text, 0, SEEDS - 1).map(|seed| s.seed = seed),
    },
    Property {
        key: "mbps",
        print: |s| s.link.mbps.to_string(),
        parse: |s, text| number(text, 0.0, 100_000.0).map(|v| s.link.mbps = v),
    },
    Property {
        key: "delay",
        print: |s| s.link.delay_ms.to_string(),
        parse: |s, text| number(text, 0.0, 10_000.0).map(|v| s.link.delay_ms = v),
    },
    Property {
        key: "jitter",
        print: |s| s.link.jitter_ms.to_string(),
        parse: |s, text| number(text, 0.0, 10_000.0).map(|v| s.link.jitter_ms = v),
    },
    Property {
        key: "slower",
        print: |s| s.slowdown.to_string(),
        parse: |s, text| number(text, 1.0, MAX_SLOWDOWN).map(|times| s.slowdown = times),
    },
    Property { key: "engine", print: |s| engine(s.preference).to_owned(), parse: parse_engine },
    Property {
        key: "inflight",
        print: |s| s.in_flight.to_string(),
        parse: |s, text| whole(text, 1, MAX_IN_FLIGHT as u64).map(|n| s.in_flight = n as usize),
    },
    Property {
        key: "share.net",
        print: |s| s.partition.network.clone(),
        parse: |s, text| {
            cleave_graph::zoo::network(text)?;
            s.partition.network = text.trim().to_owned();
            Ok(())
        },
    },
    Property { key: "share.slower", print: |s| print_slower(&s.partition.slower), parse: parse_slower },
    Property {
        key: "share.setup",
        print: |s| s.partition.setup_ms.to_string(),
        parse: |s, text| number(text, 0.0, MOST_MILLIS).map(|v| s.partition.setup_ms = v),
    },
    Property {
        key: "share.mbps",
        print: |s| s.partition.mbps.to_string(),
        parse: |s, text| positive(text, MOST_MBPS).map(|v| s.partition.mbps = v),
    },
    Property {
        key: "share.delay",
        print: |s| s.partition.delay_ms.to_string(),
        parse: |s, text| number(text, 0.0, MOST_MILLIS).map(|v| s.partition.delay_ms = v),
    },
    Property { key: "share.medium", print: |s| medium(s.partition.shared).to_owned(), parse: parse_medium },
    Property { key: "share.show", print: |s| s.pair.map(PartitionStrategy::name).join(","), parse: parse_pair },
    Property { key: "share.at", print: |s| s.places.join(","), parse: parse_places },
    Property {
        key: "share.runs",
        print: |s| s.runs.to_string(),
        parse: |s, text| whole(text, 1, MAX_COOPERATION_RUNS as u64).map(|n| s.runs = n as usize),
    },
    Property { key: "share.check", print: |s| switch(s.check).to_owned(), parse: parse_check },
];

/// Seeds stay exact in every number format on the way.
pub const SEEDS: u64 = 1 << 53;

/// The query of these settings without its `?`; empty for the defaults.
pub fn print(settings: &Settings) -> String {
    let defaults = Settings::default();
    let differs = PROPERTIES.iter().filter(|p| (p.print)(settings) != (p.print)(&defaults));
    differs.map(|p| format!("{}={}", p.key, encode(&(p.print)(settings)))).collect::<Vec<_>>().join("&")
}

/// Settings of a query (with or without `?`) and a sentence for each part that could not be read.
pub fn parse(query: &str) -> (Settings, Vec<String>) {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    for (key, value) in pairs(query) {
        let Some(property) = PROPERTIES.iter().find(|p| p.key == key) else { continue };
        if let Err(right) = (property.parse)(&mut settings, &value) {
            problems.push(format!("“{key}={value}” was not understood: {right}"));
        }
    }
    (settings, problems)
}

/// The edge a start URL names: a `token` in the fragment or the query, and optionally the `edge` it belongs to
/// (this page's own origin otherwise).
///
/// `host` and `secure` are of the page: an edge that serves the page listens at `/ws` of the same origin.
pub fn edge_address(query: &str, fragment: &str, host: &str, secure: Scheme) -> Option<EdgeAddress> {
    let value = |key: &str| pairs(fragment).chain(pairs(query)).find(|(k, _)| k == key).map(|(_, v)| v);
    let token = value("token")?;
    let url = value("edge").unwrap_or_else(|| format!("{}://{host}/ws", secure.socket()));
    Some(EdgeAddress { url, token })
}

/// Whether the page was opened for a test, which may make its worker die.
pub fn is_test(query: &str) -> bool {
    pairs(query).any(|(key, _)| key == "test")
}

/// The search that a link holds: the fragment's `search`. Only the worker knows whether it is one.
pub fn shared_search(fragment: &str) -> Option<String> {
    pairs(fragment).find(|(key, text)| key == "search" && !text.is_empty()).map(|(_, text)| text)
}

/// A link that opens a search: `address` without its query and fragment, which may hold a token, and the search alone.
pub fn search_link(address: &str, text: &str) -> String {
    let page = address.split(['?', '#']).next().unwrap_or_default();
    format!("{page}#search={}", encode(text))
}

/// How the page itself was loaded, which decides how it may open a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`: a plain socket is allowed.
    Plain,
    /// `https`: only a secured one.
    Secure,
}

impl Scheme {
    fn socket(self) -> &'static str {
        match self {
            Scheme::Plain => "ws",
            Scheme::Secure => "wss",
        }
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let parts = query.trim_start_matches(['?', '#']).split('&').filter(|part| !part.is_empty());
    parts.map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(key), decode(value))
    })
}

fn print_cuts(cuts: &Cuts) -> String {
    match cuts {
        Cuts::Default => String::new(),
        Cuts::At(at) if at.is_empty() => "none".into(),
        Cuts::At(at) => at.iter().map(usize::to_string).collect::<Vec<_>>().join("-"),
    }
}

fn parse_cuts(text: &str) -> Result<Cuts, Needed> {
    if text == "none" {
        return Ok(Cuts::At(Vec::new()));
    }
    let at: Result<Vec<usize>, _> = text.split('-').map(str::parse).collect();
    match at {
        Ok(at) if at.len() <= 2 && at.is_sorted() => Ok(Cuts::At(at)),
        _ => Err(Needed::Cuts),
    }
}

fn parse_class(settings: &mut Settings, text: &str) -> Result<(), Needed> {
    let class = CLASSES.iter().position(|name| *name == text);
    settings.class = class.ok_or(Needed::Class)?;
    Ok(())
}

fn engine(preference: Preference) -> &'static str {
    match preference {
        Preference::Auto => "auto",
        Preference::Only(Backend::Wasm) => "wasm",
        Preference::Only(Backend::WebGpu) => "webgpu",
    }
}

fn parse_engine(settings: &mut Settings, text: &str) -> Result<(), Needed> {
    let known = [Preference::Auto, Preference::Only(Backend::Wasm), Preference::Only(Backend::WebGpu)];
    let found = known.into_iter().find(|preference| engine(*preference) == text);
    settings.preference = found.ok_or(Needed::Engine)?;
    Ok(())
}

fn whole(text: &str, least: u64, most: u64) -> Result<u64, Needed> {
    let number = text.parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or(Needed::Whole { least, most })
}

fn print_slower(slower: &[f64]) -> String {
    slower.iter().map(f64::to_string).collect::<Vec<_>>().join(",")
}

fn parse_slower(settings: &mut Settings, text: &str) -> Result<(), Needed> {
    let slower = text.split(',').map(|text| positive(text, MOST_SLOWER)).collect::<Result<Vec<_>, _>>()?;
    if !(MIN_PARTITION_WORKERS..=MAX_PARTITION_WORKERS).contains(&slower.len()) {
        return Err(Needed::Workers);
    }
    settings.partition.slower = slower;
    Ok(())
}

fn medium(shared: bool) -> &'static str {
    if shared { "shared" } else { "own" }
}

fn parse_medium(settings: &mut Settings, text: &str) -> Result<(), Needed> {
    let known = [false, true].into_iter().find(|shared| medium(*shared) == text);
    settings.partition.shared = known.ok_or(Needed::Medium)?;
    Ok(())
}

/// Of every worker but the first, in order; what follows the last edge is left out.
fn parse_places(settings: &mut Settings, text: &str) -> Result<(), Needed> {
    let place = |text: &str| if text.trim().is_empty() { Ok(String::new()) } else { address(text) };
    let places = text.split(',').map(place).collect::<Result<Vec<_>, _>>()?;
    if places.len() >= MAX_PARTITION_WORKERS {
        return Err(Needed::Places);
    }
    let n = places.iter().rposition(|place| !place.is_empty()).map_or(0, |last| last + 1);
    settings.places = places[..n].to_vec();
    Ok(())
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn parse_check(settings: &mut Settings, text: &str) -> Result<(), Needed> {
    let known = [false, true].into_iter().find(|on| switch(*on) == text);
    settings.check = known.ok_or(Needed::Switch)?;
    Ok(())
}

fn parse_pair(settings: &mut Settings, text: &str) -> Result<(), Needed> {
    let of_name = PartitionStrategy::of_name;
    let pair = text.split_once(',').and_then(|(one, other)| Some([of_name(one)?, of_name(other)?]));
    settings.pair = pair.ok_or(Needed::Pair)?;
    Ok(())
}

/// Percent-encodes everything but letters, digits and `-_.~,`; blanks become `+`, which keeps text forms readable.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' | b',' => out.push(byte as char),
            _ if byte.is_ascii_alphanumeric() => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = bytes.get(i + 1..i + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[i], escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(if byte == b'+' { b' ' } else { byte });
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The folder of an address, with a slash at its end.
pub fn folder(address: &str) -> &str {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    path.rfind('/').map_or(path, |slash| &path[..=slash])
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::{Codec, Compression, LinkCodec};
    use cleave_contract::{Link, PartitionRequest};
    use proptest::prelude::*;

    fn settings() -> impl Strategy<Value = Settings> {
        let cuts = prop_oneof![
            Just(Cuts::Default),
            prop::collection::vec(0usize..64, 0..=2).prop_map(|mut at| {
                at.sort_unstable();
                Cuts::At(at)
            }),
        ];
        let codec = (0usize..3, any::<bool>()).prop_map(|(i, lz4)| LinkCodec {
            codec: [Codec::F32, Codec::F16, Codec::I8][i],
            compression: if lz4 { Compression::Lz4 } else { Compression::None },
        });
        let link = (0u32..100_000, 0u32..999, 0u32..999).prop_map(|(mbps, delay, jitter)| Link {
            mbps: f64::from(mbps) / 10.0,
            delay_ms: f64::from(delay) / 10.0,
            jitter_ms: f64::from(jitter),
        });
        let preference = (0usize..3)
            .prop_map(|i| [Preference::Auto, Preference::Only(Backend::Wasm), Preference::Only(Backend::WebGpu)][i]);
        let slowdown = (10u32..=1000).prop_map(|tenths| f64::from(tenths) / 10.0);
        let shares =
            (0usize..4, prop::collection::vec(1u32..999, 2..=8), 0u32..999, any::<bool>(), [0usize..5, 0usize..5]);
        let shares = shares.prop_map(|(network, slower, number, shared, pair)| {
            let request = PartitionRequest {
                network: cleave_graph::zoo::NETWORKS[network].0.into(),
                slower: slower.into_iter().map(|tenths| f64::from(tenths) / 10.0).collect(),
                setup_ms: f64::from(number) / 10.0,
                mbps: f64::from(number + 1),
                delay_ms: f64::from(number),
                shared,
            };
            (request, pair.map(|i| PartitionStrategy::ALL[i]))
        });
        let edges =
            prop_oneof![Just(vec![]), Just(vec!["".into(), "ws://h:1".into()]), Just(vec!["ws://[::1]:80".into()])];
        let runs = (edges, 1usize..=MAX_COOPERATION_RUNS, any::<bool>());
        let shares = (shares, runs);
        (".{0,20}", cuts, codec, 0usize..CLASSES.len(), 0..SEEDS, link, slowdown, preference, 1usize..=16, shares)
            .prop_map(|(network, cuts, codec, class, seed, link, slowdown, preference, in_flight, (shares, runs))| {
                let ((partition, pair), (places, runs, check)) = (shares, runs);
                Settings {
                    network,
                    cuts,
                    codec,
                    class,
                    seed,
                    link,
                    slowdown,
                    preference,
                    in_flight,
                    partition,
                    pair,
                    places,
                    runs,
                    check,
                }
            })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(settings in settings()) {
            prop_assert_eq!(parse(&print(&settings)), (settings, vec![]));
        }

        #[test]
        fn no_query_panics(query in ".{0,60}") {
            parse(&query);
        }
    }

    #[test]
    fn the_defaults_leave_a_clean_address() {
        assert_eq!(print(&Settings::default()), "");
    }

    #[test]
    fn a_text_form_stays_readable() {
        let settings = Settings { network: "1 5 4,2 0 3".into(), cuts: Cuts::At(vec![3, 9]), ..Settings::default() };
        assert_eq!(print(&settings), "net=1+5+4,2+0+3&cut=3-9");
    }

    #[test]
    fn an_image_network_is_read_back_by_its_name_and_by_its_text() {
        for network in
            ["alexnet", "lenet5@1@3", "1x28x28: conv 6 k5, a = relu, conv 6 k5 p2, add with a, flatten, linear 3"]
        {
            let settings = Settings { network: network.into(), cuts: Cuts::At(vec![2]), ..Settings::default() };
            assert_eq!(parse(&print(&settings)), (settings, vec![]), "{network}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_the_rest_is_used() {
        let (settings, problems) = parse("?codec=f64&cut=9-3&mbps=-1&slower=0.5&class=lamp&seed=7&unknown=1");
        assert_eq!(settings, Settings { seed: 7, ..Settings::default() });
        assert_eq!(problems.len(), 5);
        assert!(problems[4].contains("lamp") && problems[4].contains("chair"), "{}", problems[4]);
    }

    #[test]
    fn a_partition_is_read_and_what_is_wrong_of_it_is_named() {
        let (settings, problems) =
            parse("share.net=lenet5&share.slower=1,2.5&share.medium=shared&share.show=iop,mixed");
        assert_eq!(
            (settings.partition.network.as_str(), settings.pair, problems.len()),
            ("lenet5", [PartitionStrategy::Iop, PartitionStrategy::Mixed], 0)
        );
        assert_eq!((settings.partition.slower, settings.partition.shared), (vec![1.0, 2.5], true));
        let wrong = "share.net=lenet&share.slower=1&share.slower=1,0&share.mbps=0&share.setup=-1&share.show=iop";
        let (settings, problems) = parse(wrong);
        assert_eq!((settings, problems.len()), (Settings::default(), 6), "{problems:?}");
    }

    #[test]
    fn edges_of_a_run_are_read_by_their_addresses_and_no_token_is() {
        let (settings, problems) = parse("share.at=,ws%3A%2F%2Fh%3A1%2F,,&share.runs=7&share.check=off");
        assert_eq!((settings.places.join(","), problems.len()), (",ws://h:1".into(), 0));
        assert_eq!((settings.runs, settings.check), (7, false));
        assert_eq!(print(&settings), "share.at=,ws%3A%2F%2Fh%3A1&share.runs=7&share.check=off");
        let (settings, problems) = parse("share.at=h&share.at=,,,,,,,&share.runs=0&share.runs=101&share.check=yes");
        assert_eq!((settings, problems.len()), (Settings::default(), 5), "{problems:?}");
    }

    #[test]
    fn a_search_link_holds_the_search_and_nothing_else() {
        let link = search_link("https://h/cleave/?net=dgcnn&token=secret#token=secret&edge=wss%3A%2F%2Fe", "Ab-_9");
        assert_eq!(link, "https://h/cleave/#search=Ab-_9");
        let fragment = link.split_once('#').map(|(_, fragment)| fragment).unwrap();
        assert_eq!(shared_search(fragment), Some("Ab-_9".into()));
        assert_eq!(edge_address("", fragment, "h", Scheme::Secure), None);
    }

    #[test]
    fn a_search_is_read_from_the_fragment_beside_a_token() {
        assert_eq!(shared_search("#token=t&search=Ab-_9"), Some("Ab-_9".into()));
        for without in ["", "#", "#token=t", "#search", "#search=", "#research=x"] {
            assert_eq!(shared_search(without), None, "{without}");
        }
    }

    #[test]
    fn a_token_connects_to_the_page_s_own_origin() {
        let found = edge_address("?net=dgcnn", "#token=a%2Bb", "127.0.0.1:8787", Scheme::Plain);
        assert_eq!(found, Some(EdgeAddress { url: "ws://127.0.0.1:8787/ws".into(), token: "a+b".into() }));
        let other = edge_address("?edge=wss%3A%2F%2Fe%2Fws&token=t", "", "h", Scheme::Secure);
        assert_eq!(other.map(|edge| edge.url), Some("wss://e/ws".into()));
        assert_eq!(edge_address("?net=dgcnn", "", "h", Scheme::Plain), None);
    }

    #[test]
    fn files_are_beside_the_page_whatever_its_name() {
        for page in ["http://h/a/", "http://h/a/index.html", "http://h/a/index.html?net=x/y#token=/", "http://h/a/?q"] {
            assert_eq!(folder(page), "http://h/a/", "{page}");
        }
    }
}
