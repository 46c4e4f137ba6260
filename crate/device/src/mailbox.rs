//! The worker's one queue: callbacks of the browser put something in, the loop takes it out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A single-threaded queue that can be awaited. Clones share it.
pub struct Mailbox<T>(Rc<RefCell<Inner<T>>>);

struct Inner<T> {
    queue: VecDeque<T>,
    waker: Option<Waker>,
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Inner { queue: VecDeque::new(), waker: None })))
    }
}

impl<T> Mailbox<T> {
    /// Adds to the end.
    pub fn put(&self, item: T) {
        let mut inner = self.0.borrow_mut();
        inner.queue.push_back(item);
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// Takes the oldest, waiting for one if there is none.
    pub async fn take(&self) -> T {
        poll_fn(|context| {
            let mut inner = self.0.borrow_mut();
            match inner.queue.pop_front() {
                Some(item) => Poll::Ready(item),
                None => {
                    inner.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
