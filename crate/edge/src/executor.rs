//! The threads that compute. Sockets live on tokio's threads; a segment that takes 40 ms must not hold one of those,
//! so it waits in a bounded queue for one of these. A job that panics becomes an error of that job alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use cleave_session::Micros;
use thiserror::Error;

use crate::clock;
use crate::error::EdgeError;

type Task = Box<dyn FnOnce() + Send>;

/// A fixed number of threads behind one queue; they end when the executor is dropped.
pub(crate) struct Executor {
    queue: SyncSender<Task>,
}

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Done<T> {
    /// What the job gave.
    pub(crate) outcome: Result<T, Panicked>,
    /// A thread took it.
    pub(crate) started: Micros,
    /// The thread was done with it.
    pub(crate) finished: Micros,
}

/// A job that panicked, with what it said.
#[derive(Debug, Error)]
#[error("computing panicked: {0}")]
pub(crate) struct Panicked(String);

/// The queue has no room. Clients' credits together are bounded, so this guards rather than regulates.
#[derive(Debug)]
pub(crate) struct Full;

impl Executor {
    /// Starts `workers` threads behind a queue of `capacity` jobs.
    pub(crate) fn start(workers: usize, capacity: usize) -> Result<Self, EdgeError> {
        let (queue, tasks) = sync_channel::<Task>(capacity);
        let tasks = Arc::new(Mutex::new(tasks));
        for worker in 0..workers {
            let tasks = tasks.clone();
            let thread = std::thread::Builder::new().name(format!("executor-{worker}"));
            thread.spawn(move || work(&tasks)).map_err(EdgeError::Thread)?;
        }
        Ok(Self { queue })
    }

    /// Queues `job`; `done` hears of its end, on the executor's thread.
    pub(crate) fn submit<T: 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
        done: impl FnOnce(Done<T>) + Send + 'static,
    ) -> Result<(), Full> {
        let task = move || {
            let started = clock::now();
            let outcome = caught(job);
            done(Done { outcome, started, finished: clock::now() });
        };
        self.queue.try_send(Box::new(task)).map_err(|_| Full)
    }
}

fn work(tasks: &Mutex<Receiver<Task>>) {
    loop {
        // The lock is held while waiting: the others wait for it instead of for the queue.
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match task {
            Ok(task) => task(),
            Err(_) => return,
        }
    }
}

/// Runs a job whose panic ends nothing but itself.
pub(crate) fn caught<T>(job: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(job)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        Panicked(text.unwrap_or("no reason given").to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn a_panic_is_an_error_of_its_job_alone() {
        let executor = Executor::start(1, 4).unwrap();
        let (tell, told) = channel();
        let tell_first = tell.clone();
        let panics = || -> u32 { panic!("seven is {}", 8) };
        executor.submit(panics, move |done| tell_first.send(done).unwrap()).unwrap();
        executor.submit(|| 7, move |done| tell.send(done).unwrap()).unwrap();
        let first = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(first.outcome.unwrap_err().to_string(), "computing panicked: seven is 8");
        let second = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(second.outcome.unwrap(), 7);
        assert!(second.finished >= second.started);
    }

    #[test]
    fn the_queue_is_bounded() {
        let executor = Executor::start(1, 1).unwrap();
        let (release, wait) = channel::<()>();
        let (tell, told) = channel();
        let tell_second = tell.clone();
        let hold = move || wait.recv_timeout(PATIENCE);
        executor.submit(hold, move |_| tell.send("first").unwrap()).unwrap();
        let start = Instant::now();
        // The worker takes the first job in its own time; until then the queue is full.
        while let Err(Full) = executor.submit(|| (), {
            let tell = tell_second.clone();
            move |_| tell.send("second").unwrap()
        }) {
            assert!(start.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(executor.submit(|| (), |_| ()).is_err());
        release.send(()).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "first");
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "second");
    }
}
