//! Listening to WebGPU while it is open. What goes wrong with it is no error of the call that it happens in: a shader that
//! is refused leaves zeros behind, and a device that is lost answers nothing or never. So three things count as a lost
//! GPU: the browser says so, it reports an error that nobody caught, or a result does not come back in time.
//!
//! A module can open WebGPU once: its runtime keeps the device for good, also a lost one. All of this is of one thread and
//! has one listener, so that it is kept beside the thread and not handed around.

use crate::browser::sleep;
use crate::error::DeviceError;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};

/// A result that does not come back for so many seconds never will.
const PATIENCE_S: u32 = 10;
/// A software adapter compiles and computes for minutes.
const SOFTWARE_PATIENCE_S: u32 = 180;
/// After an error, the browser may need so long to say that the device is lost.
const SUSPICION_MS: f64 = 200.0;

#[derive(Default)]
struct Watch {
    is_opened: bool,
    /// Why the device is of no use.
    lost: Option<String>,
    listener: Option<Box<dyn Fn(String)>>,
    /// Waits while the device is being opened and measured.
    opening: Option<Waker>,
    destroy: Option<Box<dyn Fn()>>,
    /// Results that are awaited, by number.
    awaited: BTreeSet<u64>,
    next: u64,
}

thread_local! {
    static WATCH: RefCell<Watch> = RefCell::default();
}

fn with<T>(change: impl FnOnce(&mut Watch) -> T) -> T {
    WATCH.with(|watch| change(&mut watch.borrow_mut()))
}

/// From now on `listener` is told when the device is lost.
pub fn listen(listener: impl Fn(String) + 'static) {
    with(|watch| watch.listener = Some(Box::new(listener)));
}

/// Whether this module has opened WebGPU, and so cannot open it any more.
pub fn is_opened() -> bool {
    with(|watch| watch.is_opened)
}

/// Why the device is lost, if it is.
pub fn lost() -> Option<String> {
    with(|watch| watch.lost.clone())
}

/// The device is lost. The first reason counts: others follow from it.
pub fn lose(why: String) {
    let (waker, listener) = with(|watch| {
        if watch.lost.is_some() {
            return (None, None);
        }
        watch.lost = Some(why.clone());
        (watch.opening.take(), watch.listener.take())
    });
    if let Some(waker) = waker {
        waker.wake();
    }
    if let Some(listener) = listener {
        listener(why);
    }
}

/// The device has been opened: begins to count how long results take.
pub fn open(is_software: bool, destroy: impl Fn() + 'static) {
    with(|watch| {
        watch.is_opened = true;
        watch.destroy = Some(Box::new(destroy));
    });
    let timeout_s = if is_software { SOFTWARE_PATIENCE_S } else { PATIENCE_S };
    wasm_bindgen_futures::spawn_local(count(timeout_s));
}

/// Destroys the device, as a driver that is reset does.
pub fn destroy() {
    if let Some(destroy) = with(|watch| watch.destroy.take()) {
        destroy();
    }
}

/// Seconds in which this thread was free to take a result: while it computes, none can come.
async fn count(timeout_s: u32) {
    let (mut oldest, mut waited_s) = (None, 0);
    while lost().is_none() {
        sleep(1000.0).await;
        let now = with(|watch| watch.awaited.first().copied());
        waited_s = if now.is_some() && now == oldest { waited_s + 1 } else { 0 };
        oldest = now;
        if waited_s >= timeout_s {
            lose(format!("a result did not come back within {timeout_s} s"));
        }
    }
}

/// Awaits a result of an engine. On WebGPU it may never come; then the listener is told. An error that comes with the loss
/// of the device is kept back for good: what was computed is computed again elsewhere, instead of failing here.
///
/// # Errors
/// The engine's.
pub async fn read_back<T, E>(result: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let awaited = Awaited::new();
    let result = result.await;
    drop(awaited);
    if result.is_err() && is_opened() {
        sleep(SUSPICION_MS).await;
        if lost().is_some() {
            pending::<()>().await;
        }
    }
    result
}

/// Awaits something while WebGPU is being opened and measured.
///
/// # Errors
/// [`DeviceError::Gpu`].
pub async fn or_lost<T>(result: impl Future<Output = T>) -> Result<T, DeviceError> {
    let mut result = pin!(result);
    let result = poll_fn(|context| {
        if let Some(why) = lost() {
            return Poll::Ready(Err(why));
        }
        with(|watch| watch.opening = Some(context.waker().clone()));
        result.as_mut().poll(context).map(Ok)
    })
    .await;
    with(|watch| watch.opening = None);
    // An error that nobody caught may have come with the result.
    result.and_then(|result| lost().map_or(Ok(result), Err)).map_err(DeviceError::Gpu)
}

/// A place among the results that are awaited.
struct Awaited(u64);

impl Awaited {
    fn new() -> Self {
        with(|watch| {
            watch.next += 1;
            watch.awaited.insert(watch.next);
            Self(watch.next)
        })
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        with(|watch| watch.awaited.remove(&self.0));
    }
}
