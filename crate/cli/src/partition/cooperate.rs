//! Drives `app`'s cooperation on sockets: carries its messages, runs its engine, and has its plans made on a thread.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context, Result};
use cleave_app::cooperation::{Candidate, Config, Cooperation, Effect, EngineKind, Event, News, Report, Request};
use cleave_edge::clock;
use cleave_edge::cooperate::{Connection, Engine, connect};
use cleave_session::Weights;
use cleave_session::cooperate::MemberSpec;
use cleave_session::{Micros, SocketEvent};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

/// Events that may wait.
const EVENTS: usize = 1024;
/// For a connection to be opened, and then for its welcome.
const HANDSHAKE: Micros = Micros::from_millis(5_000);
/// For the last messages.
const FAREWELL: std::time::Duration = std::time::Duration::from_millis(100);

/// Carries a request to these members, the first worker being this process, and tells what happens.
///
/// # Errors
/// A worker that cannot be had at the beginning, with the reason; no plan that could be run; links that cannot be
/// imposed; a run without an answer.
pub fn run(request: Request, members: Vec<MemberSpec>, heard: &mut dyn FnMut(&News)) -> Result<Report> {
    request.workers.uplinks()?;
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime can be started")?;
    let outcome = runtime.block_on(async {
        let (sender, events) = channel(EVENTS);
        let mut driver = Driver::new(&request, members, sender)?;
        let outcome = driver.until_end(request, events, heard).await;
        driver.leave().await;
        outcome
    });
    runtime.shutdown_background();
    outcome
}

struct Driver {
    cooperation: Cooperation,
    addresses: Vec<String>,
    engine: Engine,
    events: Sender<Event>,
    connections: HashMap<usize, Connection>,
}

impl Driver {
    fn new(request: &Request, members: Vec<MemberSpec>, events: Sender<Event>) -> Result<Self> {
        let answered = events.clone();
        // A loop that has ended needs no answer.
        let answered = move |event| drop(answered.blocking_send(Event::Engine(event)));
        let weights = request.weights.clone();
        let files = move |hash| match &weights {
            Weights::File(file) if file.hash == hash => Some(file.bytes.clone()),
            _ => None,
        };
        let engine = Engine::start(Box::new(files), Handle::current(), answered).context("no engine can be started")?;
        let config = Config {
            name: request.workers.cluster.workers()[0].name.clone(),
            place: "this process".into(),
            engine: EngineKind::Cpu,
            handshake_timeout: HANDSHAKE,
            // Numbers of groups let members in at each other: nobody must guess them.
            seed: getrandom::u64().context("there are no random numbers")?,
        };
        let addresses = members.iter().map(|spec| spec.address.clone()).collect();
        let candidate = |(worker, spec): (usize, MemberSpec)| Candidate {
            name: request.workers.cluster.workers()[worker + 1].name.clone(),
            place: spec.address.clone(),
            spec,
            is_alike: false,
        };
        let candidates: Vec<_> = members.into_iter().enumerate().map(candidate).collect();
        let cooperation = Cooperation::new(config, &candidates);
        Ok(Self { cooperation, addresses, engine, events, connections: HashMap::new() })
    }

    async fn until_end(
        &mut self,
        request: Request,
        mut events: Receiver<Event>,
        heard: &mut dyn FnMut(&News),
    ) -> Result<Report> {
        let mut due = VecDeque::from([Event::Start, Event::Run(Box::new(request))]);
        loop {
            while let Some(event) = due.pop_front() {
                for effect in self.cooperation.handle(event, clock::now()) {
                    match effect {
                        Effect::Ended(result) => return Ok(*result?),
                        Effect::News(news) => heard(&news),
                        effect => due.extend(self.perform(effect)?),
                    }
                }
            }
            let wake = self.cooperation.next_wake().unwrap_or_else(|| Micros(clock::now().0 + 1_000_000));
            due.push_back(tokio::select! {
                Some(event) = events.recv() => event,
                () = clock::wait_until(wake) => Event::Tick,
            });
        }
    }

    /// Does one thing; an event if something follows at once.
    fn perform(&mut self, effect: Effect) -> Result<Option<Event>> {
        match effect {
            Effect::Connect { place } => {
                let says = move |event| Event::Socket { place, event };
                let received = move |bytes| says(SocketEvent::Received(bytes));
                let closed = move |why| says(SocketEvent::Closed(why));
                let (address, events) = (&self.addresses[place - 1], self.events.clone());
                let connection = connect(address, events, says(SocketEvent::Opened), received, closed);
                self.connections.insert(place, connection);
            }
            Effect::Send { place, bytes } => {
                let Some(connection) = self.connections.get(&place) else { return Ok(None) };
                if let Err(why) = connection.send(bytes) {
                    self.connections.remove(&place);
                    return Ok(Some(Event::Socket { place, event: SocketEvent::Closed(why.to_string()) }));
                }
            }
            Effect::Disconnect { place } => drop(self.connections.remove(&place)),
            Effect::Engine(call) => self.engine.call(call)?,
            Effect::Plan(task) => {
                // It takes a while, and connections must not wait for it.
                let events = self.events.clone();
                tokio::task::spawn_blocking(move || {
                    let chosen = task.run();
                    drop(events.blocking_send(Event::Planned { number: task.number, chosen }));
                });
            }
            Effect::News(_) | Effect::Ended(_) => {}
        }
        Ok(None)
    }

    async fn leave(&mut self) {
        for effect in self.cooperation.handle(Event::Leave, clock::now()) {
            if let Effect::Send { place, bytes } = effect
                && let Some(connection) = self.connections.get(&place)
            {
                // Whoever is gone needs no goodbye.
                let _gone = connection.send(bytes).is_err();
            }
        }
        self.connections.clear();
        sleep(FAREWELL).await;
    }
}
