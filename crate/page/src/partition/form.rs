//! The form as it is typed, and the requests that it makes once every field of it is right: to plan, and to run.

use super::member::Member;
use crate::needed::{Needed, number, positive};
use cleave_contract::{MAX_PARTITION_WORKERS, MIN_PARTITION_WORKERS, MemberRequest, PartitionRequest};
use cleave_graph::zoo::network;

/// Most that a worker is slower than this tab.
pub const MOST_SLOWER: f64 = 1_000.0;

/// Most megabits per second.
pub const MOST_MBPS: f64 = 100_000.0;

/// Most milliseconds of set-up and delay.
pub const MOST_MILLIS: f64 = 10_000.0;

/// What the form holds on a first visit.
pub fn first_request() -> PartitionRequest {
    PartitionRequest {
        network: "alexnet".into(),
        slower: vec![1.0; 3],
        setup_ms: 5.0,
        mbps: 100.0,
        delay_ms: 0.0,
        shared: false,
    }
}

/// A field that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The network's name or chain.
    Network,
    /// Of the worker with this index.
    Slower(usize),
    /// Set-up of a message.
    Setup,
    /// Rate of a link.
    Mbps,
    /// One-way delay.
    Delay,
    /// Of the edge that is the worker with this index.
    Address(usize),
    /// Of the same.
    Token(usize),
}

/// The fields as they stand there.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// Name of an image network, or its chain.
    pub network: String,
    /// How many times slower than this tab each worker is.
    pub slower: Vec<String>,
    /// Milliseconds.
    pub setup: String,
    /// Megabits per second.
    pub mbps: String,
    /// Milliseconds.
    pub delay: String,
    /// One radio channel, instead of an uplink for each worker.
    pub shared: bool,
    /// Who all workers but the first are; planning does not ask.
    pub members: Vec<Member>,
    /// A run was asked for that the form does not allow: what it needs stands beside the fields until it is right.
    pub is_run_wanted: bool,
}

/// What is wrong with which fields.
pub type Wrong = Vec<(Field, String)>;

impl Form {
    /// The form that makes this request.
    pub fn of(request: &PartitionRequest) -> Self {
        Form {
            network: request.network.clone(),
            slower: request.slower.iter().map(f64::to_string).collect(),
            setup: request.setup_ms.to_string(),
            mbps: request.mbps.to_string(),
            delay: request.delay_ms.to_string(),
            shared: request.shared,
            members: vec![Member::default(); request.slower.len().saturating_sub(1)],
            is_run_wanted: false,
        }
    }

    /// The same with native edges at these addresses of the workers but the first; an empty one is a worker of this browser.
    pub fn with_places(mut self, places: &[String]) -> Self {
        self.members.iter_mut().zip(places).for_each(|(member, place)| *member = Member::at(place));
        self
    }

    /// The same for so many workers; new ones are as fast as this tab.
    pub fn with_workers(mut self, workers: usize) -> Self {
        let workers = workers.clamp(MIN_PARTITION_WORKERS, MAX_PARTITION_WORKERS);
        self.slower.resize(workers, "1".into());
        self.members.resize(workers - 1, Member::default());
        self
    }

    /// A field's text.
    pub fn text(&mut self, field: Field) -> Option<&mut String> {
        match field {
            Field::Network => Some(&mut self.network),
            Field::Slower(i) => self.slower.get_mut(i),
            Field::Setup => Some(&mut self.setup),
            Field::Mbps => Some(&mut self.mbps),
            Field::Delay => Some(&mut self.delay),
            Field::Address(i) => self.member(i).map(|member| &mut member.at),
            Field::Token(i) => self.member(i).map(|member| &mut member.token),
        }
    }

    /// Who the worker with this index is; the first is this tab.
    pub fn member(&mut self, worker: usize) -> Option<&mut Member> {
        self.members.get_mut(worker.checked_sub(1)?)
    }

    /// What is asked for.
    ///
    /// # Errors
    /// Every field that is wrong, and what would be right.
    pub fn request(&self) -> Result<PartitionRequest, Wrong> {
        let mut wrong = Vec::new();
        let mut read = |field, result: Result<f64, Needed>| {
            result.unwrap_or_else(|right| {
                wrong.push((field, sentence(&right.to_string())));
                0.0
            })
        };
        let slower =
            self.slower.iter().enumerate().map(|(i, text)| read(Field::Slower(i), positive(text, MOST_SLOWER)));
        let request = PartitionRequest {
            slower: slower.collect(),
            setup_ms: read(Field::Setup, number(&self.setup, 0.0, MOST_MILLIS)),
            mbps: read(Field::Mbps, positive(&self.mbps, MOST_MBPS)),
            delay_ms: read(Field::Delay, number(&self.delay, 0.0, MOST_MILLIS)),
            network: self.network.trim().into(),
            shared: self.shared,
        };
        if let Err(why) = network(&self.network) {
            wrong.push((Field::Network, sentence(&why.to_string())));
        }
        if wrong.is_empty() { Ok(request) } else { Err(wrong) }
    }

    /// What is asked for of a run, and of whom.
    ///
    /// # Errors
    /// Every field that is wrong, and what would be right; none if only the medium is, which has no text.
    pub fn run_request(&self) -> Result<(PartitionRequest, Vec<MemberRequest>), Wrong> {
        let partition = self.request();
        let mut wrong = partition.as_ref().err().cloned().unwrap_or_default();
        wrong.extend(self.wrong_places());
        wrong.extend(self.not_enough_to_run());
        let members = self.members.iter().map(Member::request).collect::<Option<Vec<_>>>();
        match (partition, members) {
            (Ok(partition), Some(members)) if wrong.is_empty() && !self.shared => Ok((partition, members)),
            _ => Err(wrong),
        }
    }

    /// Addresses of the workers but the first without empty ones at the end; none while one is wrong.
    pub fn places(&self) -> Option<Vec<String>> {
        let mut places = self.members.iter().map(|member| member.place().ok()).collect::<Option<Vec<_>>>()?;
        let n = places.iter().rposition(|place| !place.is_empty()).map_or(0, |last| last + 1);
        places.truncate(n);
        Some(places)
    }

    fn wrong_places(&self) -> impl Iterator<Item = (Field, String)> {
        let places = self.members.iter().enumerate();
        places.filter_map(|(i, member)| Some((Field::Address(i + 1), sentence(&member.place().err()?.to_string()))))
    }

    /// What a plan does not need and a run does.
    fn not_enough_to_run(&self) -> Wrong {
        let edge = |worker: usize| worker > 0 && self.members.get(worker - 1).is_some_and(|member| member.is_edge);
        let is_below = |text: &String| text.trim().parse::<f64>().is_ok_and(|times| 0.0 < times && times < 1.0);
        let too_fast = |(i, text): (usize, &String)| {
            let why = "To run, at least 1 is needed: nothing can be made faster than this tab.";
            (!edge(i) && is_below(text)).then(|| (Field::Slower(i), why.to_owned()))
        };
        let no_token = |(i, member): (usize, &Member)| {
            let is_missing = member.is_edge && member.token.trim().is_empty();
            is_missing.then(|| (Field::Token(i + 1), "To run, the token is needed that the edge prints.".to_owned()))
        };
        let missing = self.members.iter().enumerate().filter_map(no_token);
        self.slower.iter().enumerate().filter_map(too_fast).chain(missing).collect()
    }

    /// Whether what was asked for cannot be sent.
    pub fn is_refused(&self) -> bool {
        self.request().is_err() || (self.is_run_wanted && self.run_request().is_err_and(|wrong| !wrong.is_empty()))
    }

    /// What is wrong with a field, if something is.
    pub fn problem(&self, field: Field) -> Option<String> {
        let mut wrong = self.request().err().unwrap_or_default();
        wrong.extend(self.wrong_places());
        if self.is_run_wanted {
            wrong.extend(self.not_enough_to_run());
        }
        wrong.into_iter().find(|(of, _)| *of == field).map(|(_, right)| right)
    }
}

/// As it stands alone beside a field.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    crate::format::sentence(&(first + letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_makes_the_request_that_it_was_made_of() {
        let request = PartitionRequest { slower: vec![1.0, 2.5], shared: true, ..first_request() };
        assert_eq!(Form::of(&request).request(), Ok(request));
        assert_eq!(Form::of(&first_request()).with_workers(9).slower.len(), MAX_PARTITION_WORKERS);
        assert_eq!(Form::of(&first_request()).with_workers(0).slower, ["1", "1"]);
    }

    #[test]
    fn every_wrong_field_says_what_would_be_right() {
        let form = Form {
            network: "lenet".into(),
            slower: vec!["1".into(), "0".into(), "".into()],
            setup: "-1".into(),
            mbps: "0".into(),
            delay: "inf".into(),
            ..Form::of(&first_request())
        };
        let fields: Vec<Field> = form.request().unwrap_err().into_iter().map(|(field, _)| field).collect();
        let all = [Field::Slower(1), Field::Slower(2), Field::Setup, Field::Mbps, Field::Delay, Field::Network];
        assert_eq!(fields, all);
        assert_eq!(form.problem(Field::Mbps).unwrap(), "A number above 0 and up to 100000 is needed.");
        assert_eq!(form.problem(Field::Slower(0)), None);
        assert!(form.problem(Field::Network).unwrap().contains("lenet5"));
    }

    #[test]
    fn a_typed_chain_is_a_network() {
        let typed = |text: &str| Form { network: text.into(), ..Form::of(&first_request()) }.request();
        assert!(typed("1x4x4: conv 2 k3, flatten, linear 3").is_ok());
        assert!(typed("1x4x4: conv").is_err());
    }

    #[test]
    fn a_run_needs_more_than_a_plan_and_says_so_once_it_was_asked_for() {
        let request = PartitionRequest { slower: vec![0.5, 0.5, 0.5], ..first_request() };
        let mut form = Form::of(&request).with_places(&["".into(), "ws://h:1".into()]);
        assert!(form.request().is_ok() && !form.is_refused());
        assert_eq!(form.problem(Field::Slower(1)), None);
        let fields = |form: &Form| form.run_request().unwrap_err().into_iter().map(|(of, _)| of).collect::<Vec<_>>();
        assert_eq!(fields(&form), [Field::Slower(0), Field::Slower(1), Field::Token(2)], "an edge is measured");
        form.is_run_wanted = true;
        assert!(form.is_refused() && form.problem(Field::Slower(1)).unwrap().contains("at least 1"));
        form.slower = vec!["1".into(), "2".into(), "0.5".into()];
        *form.text(Field::Token(2)).unwrap() = "t".into();
        let (partition, members) = form.run_request().unwrap();
        assert_eq!((partition.slower, members.len()), (vec![1.0, 2.0, 0.5], 2));
        form.shared = true;
        assert_eq!((fields(&form).len(), form.is_refused()), (0, false), "the buttons say so");
    }

    #[test]
    fn a_wrong_address_is_told_at_once_and_hinders_no_plan() {
        let mut form = Form::of(&first_request()).with_places(&["".into(), "ws://h".into()]);
        assert!(form.problem(Field::Address(2)).unwrap().contains("ws://HOST:PORT"));
        assert_eq!((form.request().is_ok(), form.places(), form.problem(Field::Address(1))), (true, None, None));
        *form.text(Field::Address(2)).unwrap() = "ws://h:1/".into();
        assert_eq!(form.places(), Some(vec!["".into(), "ws://h:1".into()]));
        assert_eq!(form.with_workers(2).places(), Some(vec![]), "who is left is of this browser");
        assert!(Form::of(&first_request()).text(Field::Address(0)).is_none(), "the first is this tab");
    }
}
