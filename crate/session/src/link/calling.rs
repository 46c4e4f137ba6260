//! The side that opened the connection: greeting, being welcomed, pings and the other side's clock, weights on their way.
//! Whether to try again is for the service to say.

use std::collections::VecDeque;
use std::marker::PhantomData;

use cleave_wire::link::Message;
use cleave_wire::{Answer, Call, Limits, ModelHash, Refusal, RefusalCode, Subject, WireError};

use super::Service;
use super::upload::{Pace, Upload};
use crate::clock::ClockEstimate;
use crate::time::Micros;
use crate::work::Model;

/// Pings whose answers are awaited.
const MAX_PINGS: usize = 32;

/// The link of one connection, from its opening on; `K` is what the service keeps of the other side.
#[derive(Debug)]
pub(crate) struct Calling<S, K> {
    phase: Phase<K>,
    service: PhantomData<S>,
}

#[derive(Debug)]
enum Phase<K> {
    Opening { until: Micros },
    Greeting { until: Micros },
    Up(Box<Up<K>>),
}

/// What is known of the other side once it has welcomed this one.
#[derive(Debug)]
pub(crate) struct Up<K> {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) threads: u16,
    pub(crate) limits: Limits,
    pub(crate) since: Micros,
    pub(crate) last_heard: Micros,
    pub(crate) next_ping: Micros,
    pub(crate) clock: ClockEstimate,
    pub(crate) upload: Option<Upload>,
    pub(crate) known: K,
    ping_id: u32,
    pings: VecDeque<(u32, Micros)>,
}

/// What a message means; pongs are counted already.
#[derive(Debug)]
pub(crate) enum Heard<S: Service> {
    /// Nothing that matters (any more).
    Nothing,
    /// The other side has welcomed this one: [`Calling::up`] tells.
    Welcome,
    /// It lacks this file.
    NeedWeights(ModelHash),
    /// It has more of the present upload.
    Progress,
    /// It has answered a ping.
    State(S::State),
    Refused(Refusal),
    /// A message of the service, never of the link.
    Message(S::Answer),
}

impl<S: Service, K> Calling<S, K> {
    /// A link for a connection that is being opened.
    pub(crate) fn new(until: Micros) -> Self {
        Self { phase: Phase::Opening { until }, service: PhantomData }
    }

    pub(crate) fn up(&self) -> Option<&Up<K>> {
        match &self.phase {
            Phase::Up(up) => Some(up),
            _ => None,
        }
    }

    pub(crate) fn up_mut(&mut self) -> Option<&mut Up<K>> {
        match &mut self.phase {
            Phase::Up(up) => Some(up),
            _ => None,
        }
    }

    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.phase, Phase::Opening { .. })
    }

    /// The connection is open, if it was awaited: the greeting, which is to be answered `until` then.
    pub(crate) fn opened(&mut self, token: &str, name: &str, until: Micros) -> Option<S::Call> {
        if !self.is_opening() {
            return None;
        }
        self.phase = Phase::Greeting { until };
        Some(S::Call::link(Call::Hello { token: token.to_owned(), name: name.to_owned(), role: S::ROLE }))
    }

    /// When the next ping is due, or the handshake overdue.
    pub(crate) fn next_wake(&self) -> Micros {
        match &self.phase {
            Phase::Opening { until } | Phase::Greeting { until } => *until,
            Phase::Up(up) => up.next_ping,
        }
    }

    /// What the other side failed to do in time.
    pub(crate) fn overdue(&self, now: Micros) -> Option<&'static str> {
        match self.phase {
            Phase::Opening { until } if now >= until => Some("open the connection"),
            Phase::Greeting { until } if now >= until => Some("answer"),
            _ => None,
        }
    }

    /// `keep`: what the service keeps of a side that offers this.
    ///
    /// # Errors
    /// What cannot be read or does not come in its turn.
    pub(crate) fn received(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        keep: impl FnOnce(S::Offer) -> K,
        now: Micros,
    ) -> Result<Heard<S>, WireError> {
        if self.is_opening() {
            return Ok(Heard::Nothing);
        }
        let message = S::Answer::decode(bytes, limits)?.split();
        let Phase::Up(up) = &mut self.phase else {
            return match message {
                Ok(Answer::Refused(refusal)) => Ok(Heard::Refused(refusal)),
                Ok(Answer::Welcome { version, name, threads, limits, offer }) => {
                    self.phase = Phase::Up(Box::new(Up::new(name, version, threads, limits, keep(offer), now)));
                    Ok(Heard::Welcome)
                }
                _ => Err(WireError::Turn { what: "something came before its welcome" }),
            };
        };
        up.last_heard = now;
        Ok(match message {
            Ok(Answer::Refused(refusal)) => Heard::Refused(refusal),
            Ok(Answer::Welcome { .. }) => return Err(WireError::Turn { what: "a welcome came twice" }),
            Ok(Answer::NeedWeights { model }) => Heard::NeedWeights(model),
            Ok(Answer::WeightsProgress { model, received, .. }) => {
                match up.upload.as_mut().filter(|upload| upload.model() == model) {
                    Some(upload) => {
                        upload.acknowledge(received);
                        Heard::Progress
                    }
                    None => Heard::Nothing,
                }
            }
            Ok(Answer::Pong { id, received_micros, answered_micros, state, .. }) => {
                up.pong(id, received_micros, answered_micros, now);
                Heard::State(state)
            }
            Err(message) => Heard::Message(message),
        })
    }
}

impl<K> Up<K> {
    fn new(name: String, version: String, threads: u16, limits: Limits, known: K, now: Micros) -> Self {
        Self {
            name,
            version,
            threads,
            limits,
            since: now,
            last_heard: now,
            next_ping: now,
            clock: ClockEstimate::default(),
            upload: None,
            known,
            ping_id: 0,
            pings: VecDeque::new(),
        }
    }

    /// The next ping; the one after it is due an `interval` later.
    pub(crate) fn ping<R>(&mut self, now: Micros, interval: Micros) -> Call<R> {
        self.next_ping = now + interval;
        self.ping_id = self.ping_id.wrapping_add(1);
        if self.pings.len() == MAX_PINGS {
            self.pings.pop_front();
        }
        self.pings.push_back((self.ping_id, now));
        Call::Ping { id: self.ping_id, sent_micros: now.0 }
    }

    /// An answer counts once, and only to a ping that was sent.
    fn pong(&mut self, id: u32, received: u64, answered: u64, now: Micros) {
        if let Some(at) = self.pings.iter().position(|(ping, _)| *ping == id)
            && let Some((_, sent)) = self.pings.remove(at)
        {
            self.clock.add(sent, received, answered, now);
        }
    }

    /// Begins to send a file, instead of any other.
    ///
    /// # Errors
    /// The refusal that the other side would give after the whole upload.
    pub(crate) fn start_upload<S: Service>(&mut self, file: Model) -> Result<(), Refusal> {
        let (bytes, most) = (file.bytes.len() as u64, self.limits.max_model_bytes);
        if bytes > most {
            return Err(Refusal {
                subject: Subject::Session,
                code: RefusalCode::ModelTooLarge,
                wrong: format!("the file of weights has {bytes} bytes"),
                right: format!("this {} takes at most {most} bytes; start it so that it takes more", S::HOST),
            });
        }
        self.upload = Some(Upload::new(file));
        Ok(())
    }

    /// The next piece of the upload, if it is its time.
    pub(crate) fn piece<R>(&mut self, pace: Pace) -> Option<Call<R>> {
        self.upload.as_mut()?.next(pace)
    }
}
