//! The form as it is typed, and the wish that it makes once every field of it is right.

use crate::url::{number, positive};
use cleave_arch::cnn::zoo::network;
use cleave_wire::ui::{MAX_PARTITION_WORKERS, PartitionWish};

/// Fewest workers that share something.
pub const MIN_WORKERS: usize = 2;

/// Most that a worker is slower than this tab.
pub const MOST_SLOWER: f64 = 1_000.0;

/// Most megabits per second.
pub const MOST_MBPS: f64 = 100_000.0;

/// Most milliseconds of set-up and delay.
pub const MOST_MILLIS: f64 = 10_000.0;

/// What the form holds on a first visit.
pub fn first_wish() -> PartitionWish {
    PartitionWish {
        network: "alexnet".into(),
        slower: vec![1.0; 3],
        setup_millis: 5.0,
        mbps: 100.0,
        delay_millis: 0.0,
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
}

impl Form {
    /// The form that makes this wish.
    pub fn of(wish: &PartitionWish) -> Self {
        Form {
            network: wish.network.clone(),
            slower: wish.slower.iter().map(f64::to_string).collect(),
            setup: wish.setup_millis.to_string(),
            mbps: wish.mbps.to_string(),
            delay: wish.delay_millis.to_string(),
            shared: wish.shared,
        }
    }

    /// The same for so many workers; new ones are as fast as this tab.
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.slower.resize(workers.clamp(MIN_WORKERS, MAX_PARTITION_WORKERS), "1".into());
        self
    }

    /// What is asked for.
    ///
    /// # Errors
    /// Every field that is wrong, and what would be right.
    pub fn wish(&self) -> Result<PartitionWish, Vec<(Field, String)>> {
        let mut wrong = Vec::new();
        let mut read = |field, result: Result<f64, String>| {
            result.unwrap_or_else(|right| {
                wrong.push((field, sentence(&right)));
                0.0
            })
        };
        let slower =
            self.slower.iter().enumerate().map(|(i, text)| read(Field::Slower(i), positive(text, MOST_SLOWER)));
        let wish = PartitionWish {
            slower: slower.collect(),
            setup_millis: read(Field::Setup, number(&self.setup, 0.0, MOST_MILLIS)),
            mbps: read(Field::Mbps, positive(&self.mbps, MOST_MBPS)),
            delay_millis: read(Field::Delay, number(&self.delay, 0.0, MOST_MILLIS)),
            network: self.network.trim().into(),
            shared: self.shared,
        };
        if let Err(why) = network(&self.network) {
            wrong.push((Field::Network, sentence(&why.to_string())));
        }
        if wrong.is_empty() { Ok(wish) } else { Err(wrong) }
    }

    /// What is wrong with a field, if something is.
    pub fn problem(&self, field: Field) -> Option<String> {
        let wrong = self.wish().err()?;
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
    fn a_form_makes_the_wish_that_it_was_made_of() {
        let wish = PartitionWish { slower: vec![1.0, 2.5], shared: true, ..first_wish() };
        assert_eq!(Form::of(&wish).wish(), Ok(wish));
        assert_eq!(Form::of(&first_wish()).with_workers(9).slower.len(), MAX_PARTITION_WORKERS);
        assert_eq!(Form::of(&first_wish()).with_workers(0).slower, ["1", "1"]);
    }

    #[test]
    fn every_wrong_field_says_what_would_be_right() {
        let form = Form {
            network: "resnet".into(),
            slower: vec!["1".into(), "0".into(), "".into()],
            setup: "-1".into(),
            mbps: "0".into(),
            delay: "inf".into(),
            shared: false,
        };
        let fields: Vec<Field> = form.wish().unwrap_err().into_iter().map(|(field, _)| field).collect();
        let all = [Field::Slower(1), Field::Slower(2), Field::Setup, Field::Mbps, Field::Delay, Field::Network];
        assert_eq!(fields, all);
        assert_eq!(form.problem(Field::Mbps).unwrap(), "A number above 0 and up to 100000 is needed.");
        assert_eq!(form.problem(Field::Slower(0)), None);
        assert!(form.problem(Field::Network).unwrap().contains("lenet5"));
    }

    #[test]
    fn a_typed_chain_is_a_network() {
        let typed = |text: &str| Form { network: text.into(), ..Form::of(&first_wish()) }.wish();
        assert!(typed("1x4x4: conv 2 k3, flatten, linear 3").is_ok());
        assert!(typed("1x4x4: conv").is_err());
    }
}
