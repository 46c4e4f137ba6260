//! The news that the edge goes away, for everything that runs.

use tokio::sync::watch;

/// Tells; also when it is dropped.
pub(crate) struct Close(watch::Sender<bool>);

/// Hears.
#[derive(Clone)]
pub(crate) struct Closing(watch::Receiver<bool>);

/// Both ends.
pub(crate) fn channel() -> (Close, Closing) {
    let (tell, hear) = watch::channel(false);
    (Close(tell), Closing(hear))
}

impl Close {
    pub(crate) fn tell(&self) {
        self.0.send_replace(true);
    }
}

impl Closing {
    /// Returns once the edge goes away.
    pub(crate) async fn wait(&mut self) {
        // An error means that the teller is gone, which says the same.
        let _gone = self.0.wait_for(|closing| *closing).await.is_err();
    }
}
