//! The link alone, for both services: what is refused and in which words, what silence does, pings, weights, and bytes
//! that nobody should send.

use cleave_arch::SplitMix64;
use cleave_wire::header::HEADER_BYTES;
use cleave_wire::{Header, Limits, ModelHash, PROTOCOL_VERSION, Refusal, RefusalCode, Subject, WireError};

use super::*;
use crate::time::Micros;
use crate::work::Model;

const NOW: Micros = Micros(50_000);
/// The serving side's clock.
const AHEAD: Micros = Micros(7_000_000_000);
const FILE: ModelHash = ModelHash([7; 32]);

type Caller<S> = Calling<S, <S as Service>::Offer>;
type Serves<S> = Vec<Served<<S as Service>::Call>>;

/// A service as these tests need it, with something to offer and something to say.
trait Tested: Service<State: Default + PartialEq + Debug> {
    fn offer() -> Self::Offer;
    fn call() -> Self::Call;
    fn answer() -> Self::Answer;
}

impl Tested for Offload {
    fn offer() -> Offer {
        Offer { credit: 4, validation: None }
    }
    fn call() -> ToEdge {
        ToEdge::Cancel { id: 3 }
    }
    fn answer() -> ToDevice {
        ToDevice::Credit { n: 1 }
    }
}

impl Tested for Cooperation {
    fn offer() {}
    fn call() -> ToMember {
        ToMember::Cancel { group: 1, run: 3 }
    }
    fn answer() -> ToCoordinator {
        ToCoordinator::Joined { group: 1, weight_bytes: 3 }
    }
}

fn serving<S: Tested>() -> Serving<S> {
    let host = Host {
        version: "1.2.3".to_owned(),
        threads: 2,
        limits: Limits { max_model_bytes: 3_000_000, ..Limits::DEFAULT },
        handshake_timeout: Micros(5_000),
        idle_timeout: Micros(30_000),
        ..Host::new(TokenCheck::new(|token| token == "right"), "host")
    };
    Serving::new(host, S::offer(), NOW)
}

/// A service's link on both sides, without anything between them.
struct Pair<S: Tested> {
    caller: Caller<S>,
    host: Serving<S>,
    stored: Vec<Vec<u8>>,
}

impl<S: Tested> Pair<S> {
    fn greeted() -> Self {
        let mut pair = Self { caller: Calling::new(NOW), host: serving(), stored: Vec::new() };
        let hello = pair.caller.opened("right", "caller", NOW).unwrap();
        let heard = pair.say(&hello);
        assert!(matches!(heard[..], [Ok(Heard::Welcome)]), "{heard:?}");
        pair
    }

    /// What the caller hears of the answers.
    fn say(&mut self, message: &S::Call) -> Vec<Result<Heard<S>, WireError>> {
        let served = self.host.received(&message.encode(), S::State::default(), NOW + AHEAD);
        served.into_iter().filter_map(|served| self.hear(served)).collect()
    }

    fn hear(&mut self, served: Served<S::Call>) -> Option<Result<Heard<S>, WireError>> {
        match served {
            Served::Send(bytes) => Some(self.caller.received(&bytes, &Limits::DEFAULT, |offer| offer, NOW + Micros(6))),
            Served::Store { model, bytes } => {
                assert_eq!(model, FILE);
                self.stored.push(bytes);
                None
            }
            Served::Message(_) | Served::Ended { .. } => None,
        }
    }
}

/// The refusal that ends the session.
fn refusal<S: Service>(served: &[Served<S::Call>]) -> Refusal {
    let [Served::Send(bytes), Served::Ended { why }] = served else { panic!("no refusal: {served:?}") };
    let mut bytes = bytes.clone();
    bytes[4] = PROTOCOL_VERSION;
    let Ok(Ok(Answer::Refused(refusal))) = S::Answer::decode(&bytes, &Limits::DEFAULT).map(Message::split) else {
        panic!("not a refusal: {bytes:?}");
    };
    assert_eq!((refusal.subject, &refusal.wrong), (Subject::Session, why));
    refusal
}

fn greeted<S: Tested>() -> Serving<S> {
    Pair::greeted().host
}

fn hello<S: Tested>(token: &str) -> S::Call {
    S::Call::link(Call::Hello { token: token.to_owned(), name: String::new(), role: S::ROLE })
}

fn weights<S: Service>(offset: u64, total: u64, chunk: &[u8]) -> Vec<u8> {
    S::Call::link(Call::Weights { model: FILE, offset, total, chunk: chunk.to_vec() }).encode()
}

fn received<S: Tested>(host: &mut Serving<S>, bytes: &[u8]) -> Serves<S> {
    host.received(bytes, S::State::default(), NOW)
}

fn another_version<S: Tested>() {
    let mut bytes = hello::<S>("right").encode();
    bytes[4] = 9;
    let mut host = serving::<S>();
    let served = received(&mut host, &bytes);
    let Served::Send(answer) = &served[0] else { panic!("{served:?}") };
    assert_eq!(Header::read(answer).unwrap().version, 9, "the other side must be able to read it");
    let refusal = refusal::<S>(&served);
    assert_eq!(refusal.code, RefusalCode::WrongVersion);
    for version in [9, PROTOCOL_VERSION] {
        assert!(refusal.wrong.contains(&format!("version {version}")), "{refusal}");
    }
    let mut caller = Caller::<S>::new(NOW);
    caller.opened("right", "", NOW).unwrap();
    let heard = caller.received(answer, &Limits::DEFAULT, |offer| offer, NOW);
    assert!(matches!(heard, Err(WireError::Version { theirs: 9, .. })), "{heard:?}");
}

#[test]
fn another_version_is_refused_in_that_version_and_both_are_named() {
    another_version::<Offload>();
    another_version::<Cooperation>();
}

/// Every case: the host, what is said to it, the code and a word of the refusal.
fn refusals<S: Tested>() {
    let cases: [(Serving<S>, Vec<u8>, RefusalCode, &str); 8] = [
        (serving(), hello::<S>("wrong").encode(), RefusalCode::BadToken, "token"),
        (serving(), hello::<S>("").encode(), RefusalCode::BadToken, S::HOST),
        (serving(), S::call().encode(), RefusalCode::NotGreeted, "before Hello"),
        (serving(), weights::<S>(0, 3, &[1]), RefusalCode::NotGreeted, "before Hello"),
        (serving(), b"GET / HTTP/1.1".to_vec(), RefusalCode::Malformed, "not a Cleave message"),
        (greeted(), hello::<S>("right").encode(), RefusalCode::Malformed, "twice"),
        (greeted(), S::answer().encode(), RefusalCode::Malformed, "kind"),
        (greeted(), weights::<S>(0, 3_000_001, &[1]), RefusalCode::Malformed, "3000000 bytes are accepted"),
    ];
    for (mut host, bytes, code, word) in cases {
        let refusal = refusal::<S>(&received(&mut host, &bytes));
        assert!(refusal.code == code && refusal.to_string().contains(word), "{refusal:?}");
        assert!(!host.is_open() && host.next_wake().is_none());
    }
    let mut host = greeted::<S>();
    assert_eq!(refusal::<S>(&host.shut_down()).code, RefusalCode::ShuttingDown);
    let goodbye = received(&mut greeted::<S>(), &S::Call::link(Call::Close).encode());
    assert!(matches!(&goodbye[..], [Served::Ended { why }] if why.contains(S::CALLER)), "{goodbye:?}");
}

#[test]
fn what_breaks_the_protocol_is_refused_in_words_and_ends_the_session() {
    refusals::<Offload>();
    refusals::<Cooperation>();
}

#[test]
fn a_neighbour_is_no_coordinator() {
    let role = Role::Peer { group: 1, worker: 2 };
    let hello = ToMember::Link(Call::Hello { token: "right".to_owned(), name: String::new(), role }).encode();
    let refusal = refusal::<Cooperation>(&received(&mut serving::<Cooperation>(), &hello));
    assert_eq!(refusal.code, RefusalCode::BadToken);
    assert_eq!(first_message::<Cooperation>(&hello, &Limits::DEFAULT), Ok(role));
}

fn silence<S: Tested>() {
    for (mut host, wait) in [(serving::<S>(), 5_000), (greeted::<S>(), 30_000)] {
        let end = host.next_wake().unwrap();
        assert!(host.tick(end - Micros(1)).is_empty());
        let refusal = refusal::<S>(&host.tick(end));
        let limit = Micros(wait).to_string();
        assert!(refusal.code == RefusalCode::TimedOut && refusal.wrong.contains(&limit), "{refusal}");
        assert!(host.tick(end + end).is_empty(), "closed stays closed");
    }
    let mut caller = Caller::<S>::new(NOW + Micros(10));
    assert_eq!((caller.overdue(NOW), caller.next_wake()), (None, NOW + Micros(10)));
    assert_eq!(caller.overdue(NOW + Micros(10)), Some("open the connection"));
    assert!(caller.opened("", "", NOW + Micros(20)).is_some());
    assert!(caller.opened("", "", NOW + Micros(30)).is_none(), "it opens once");
    assert_eq!((caller.overdue(NOW + Micros(10)), caller.overdue(NOW + Micros(20))), (None, Some("answer")));
    let up = Pair::<S>::greeted().caller;
    assert_eq!((up.overdue(NOW + AHEAD), up.next_wake()), (None, NOW + Micros(6)), "the first ping is due at once");
}

#[test]
fn silence_ends_what_waits_for_the_other_side() {
    silence::<Offload>();
    silence::<Cooperation>();
}

fn pings<S: Tested>() {
    let mut pair = Pair::<S>::greeted();
    let ping = S::Call::link(pair.caller.up_mut().unwrap().ping(NOW, Micros(1_000)));
    let clock = |pair: &Pair<S>| {
        let clock = &pair.caller.up().unwrap().clock;
        (clock.rtt(), clock.offset_micros())
    };
    assert_eq!((clock(&pair), pair.caller.next_wake()), ((None, None), NOW + Micros(1_000)));
    let heard = pair.say(&ping);
    assert!(matches!(&heard[..], [Ok(Heard::State(state))] if *state == S::State::default()), "{heard:?}");
    // Six microseconds there and back, of which half is off by: it was there as long as it was here.
    let offset = AHEAD.0 as i64 - 3;
    assert_eq!(clock(&pair), (Some(Micros(6)), Some(offset)));
    // Twice the same, and one that was never asked for, count no more.
    let far = |id| Answer::<S::Offer, S::State>::Pong {
        id,
        sent_micros: 0,
        received_micros: 0,
        answered_micros: 0,
        state: S::State::default(),
    };
    for id in [1, 99] {
        let bytes = S::Answer::link(far(id)).encode();
        pair.caller.received(&bytes, &Limits::DEFAULT, |offer| offer, NOW).unwrap();
    }
    assert_eq!(clock(&pair), (Some(Micros(6)), Some(offset)));
}

#[test]
fn a_pong_tells_the_other_clock_once() {
    pings::<Offload>();
    pings::<Cooperation>();
}

fn file(bytes: usize) -> Model {
    Model { hash: FILE, bytes: (0..bytes).map(|byte| byte as u8).collect() }
}

/// Sends a whole file at a pace; the sizes of its pieces, and the progress after each answer.
fn upload<S: Tested>(pair: &mut Pair<S>, pace: Pace) -> (Vec<usize>, Vec<u64>) {
    let (mut sizes, mut progress, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let up = pair.caller.up_mut().unwrap();
        let before = waiting.len();
        while let Some(piece) = up.piece::<S::Role>(pace) {
            let Call::Weights { chunk, .. } = &piece else { panic!("no piece") };
            sizes.push(chunk.len());
            waiting.push(piece);
        }
        assert!(waiting.len() <= before.max(4), "no more than the window is under way");
        if waiting.is_empty() {
            return (sizes, progress);
        }
        let heard = pair.say(&S::Call::link(waiting.remove(0)));
        assert!(matches!(heard[..], [Ok(Heard::Progress)]), "{heard:?}");
        progress.push(pair.caller.up().unwrap().upload.as_ref().unwrap().progress().0);
    }
}

fn files<S: Tested>() {
    let (small, large) = (16 << 10, Limits::WEIGHTS_CHUNK_BYTES);
    for (pace, bytes, piece) in [(Pace::Fast, 5 * large + 1, large), (Pace::Background, 3 * small, small)] {
        let mut pair = Pair::<S>::greeted();
        let need = pair.host.need_weights(FILE).encode();
        let heard = pair.hear(Served::Send(need)).unwrap();
        assert!(matches!(heard, Ok(Heard::NeedWeights(FILE))), "{heard:?}");
        pair.caller.up_mut().unwrap().start_upload::<S>(file(bytes)).unwrap();
        let (sizes, progress) = upload(&mut pair, pace);
        assert!(sizes.iter().rev().skip(1).all(|size| *size == piece), "{sizes:?}");
        assert!(progress.is_sorted() && progress.last() == Some(&(bytes as u64)), "{progress:?}");
        assert_eq!((pair.stored, pair.host.receiving()), (vec![file(bytes).bytes.to_vec()], None));
    }
}

#[test]
fn a_file_arrives_whole_in_pieces_that_are_acknowledged() {
    files::<Offload>();
    files::<Cooperation>();
}

fn bad_files<S: Tested>() {
    let mut pair = Pair::<S>::greeted();
    let up = pair.caller.up_mut().unwrap();
    let refused = up.start_upload::<S>(file(3_000_001)).unwrap_err();
    assert!(refused.code == RefusalCode::ModelTooLarge && refused.right.contains("3000000"), "{refused}");
    up.start_upload::<S>(file(100)).unwrap();
    let upload = up.upload.as_mut().unwrap();
    upload.acknowledge(1 << 40);
    assert_eq!(upload.progress(), (0, 100), "more than was sent is not believed");

    assert!(received(&mut pair.host, &weights::<S>(0, 100, &[1])).is_empty(), "nobody waits for it");
    for (offset, chunk) in [(1, &[1][..]), (0, &[])] {
        let mut host = greeted::<S>();
        host.need_weights(FILE);
        let refusal = refusal::<S>(&received(&mut host, &weights::<S>(offset, 100, chunk)));
        assert_eq!((refusal.code, host.receiving()), (RefusalCode::BadWeights, None));
        assert!(refusal.right.contains("offset 0"), "{refusal}");
    }
    // What is asked for anew begins anew.
    let mut host = greeted::<S>();
    host.need_weights(FILE);
    assert_eq!(received(&mut host, &weights::<S>(0, 100, &[1, 2])).len(), 1);
    host.need_weights(FILE);
    assert_eq!(received(&mut host, &weights::<S>(0, 1, &[1])).len(), 2);
}

#[test]
fn weights_that_do_not_fit_are_refused_or_passed_over() {
    bad_files::<Offload>();
    bad_files::<Cooperation>();
}

fn turns<S: Tested>() {
    let mut pair = Pair::<S>::greeted();
    let served = received(&mut pair.host, &S::call().encode());
    assert!(matches!(served[..], [Served::Message(_)]), "a service's message is the service's: {served:?}");
    let welcome = pair.host.welcome().encode();
    let hear = |caller: &mut Caller<S>, bytes: &[u8]| {
        caller.received(bytes, &Limits::DEFAULT, |offer| offer, NOW).map_err(|error| error.to_string())
    };
    assert!(matches!(hear(&mut pair.caller, &S::answer().encode()), Ok(Heard::Message(_))));
    assert!(hear(&mut pair.caller, &welcome).unwrap_err().contains("twice"));
    let mut caller = Caller::<S>::new(NOW);
    assert!(matches!(hear(&mut caller, &welcome), Ok(Heard::Nothing)), "it is not open yet");
    caller.opened("", "", NOW).unwrap();
    assert!(hear(&mut caller, &S::answer().encode()).unwrap_err().contains("before its welcome"));
    assert!(hear(&mut caller, &S::call().encode()).unwrap_err().contains("kind"));
    assert!(caller.up().is_none());
}

#[test]
fn everything_has_its_turn() {
    turns::<Offload>();
    turns::<Cooperation>();
}

/// Both sides hear garbled messages of both directions, in any order.
fn hostile<S: Tested>(seed: u64) {
    let mut rng = SplitMix64::new(seed);
    let mut pair = Pair::<S>::greeted();
    let ping = S::Call::link(pair.caller.up_mut().unwrap().ping(NOW, Micros(1)));
    pair.caller.up_mut().unwrap().start_upload::<S>(file(40_000)).unwrap();
    let calls = [ping, hello::<S>("right"), S::call(), S::Call::link(Call::Close)].map(|call| call.encode());
    let answers = [pair.host.welcome(), pair.host.need_weights(FILE), S::answer()].map(|answer| answer.encode());
    let progress = Answer::<S::Offer, S::State>::WeightsProgress { model: FILE, received: 1 << 40, total: 3 };
    let mut messages: Vec<Vec<u8>> = calls.into_iter().chain(answers).collect();
    messages.extend([weights::<S>(0, 9, &[1, 2, 3]), S::Answer::link(progress).encode()]);
    for step in 0..60 {
        let mut bytes = messages[rng.below(messages.len())].clone();
        if rng.below(3) > 0 {
            let at = rng.below(bytes.len());
            match rng.below(3) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, 255),
                _ => bytes[at] ^= 1 << rng.below(8),
            }
            if bytes.len() >= HEADER_BYTES && rng.below(4) > 0 {
                let length = (bytes.len() - HEADER_BYTES) as u32;
                bytes[6..10].copy_from_slice(&length.to_le_bytes());
            }
        }
        let now = NOW + Micros(step);
        if pair.host.is_open() {
            let served = pair.host.received(&bytes, S::State::default(), now);
            let ended = served.iter().position(|served| matches!(served, Served::Ended { .. }));
            assert_eq!(ended.is_some(), !pair.host.is_open());
            assert!(ended.is_none_or(|at| at + 1 == served.len()), "nothing follows the end: {served:?}");
        }
        // The caller's owner would close a broken connection; the link must survive that it does not.
        _ = pair.caller.received(&bytes, &Limits::DEFAULT, |offer| offer, now);
        let up = pair.caller.up_mut().unwrap();
        _ = up.piece::<S::Role>(Pace::Background);
        let (have, total) = up.upload.as_ref().unwrap().progress();
        assert!(have <= total);
    }
}

#[test]
fn garbled_messages_end_a_session_or_do_no_harm() {
    for seed in 0..300 {
        hostile::<Offload>(seed);
        hostile::<Cooperation>(seed);
    }
}
