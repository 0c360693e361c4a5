use tokio::sync::watch;

/// Keeps a service answering although its sessions have left, until this is dropped: whoever calls meanwhile is told that the
/// learner goes away, or how the run ended.
#[derive(Debug)]
pub struct Lingering {
    left: watch::Receiver<bool>,
    _held: watch::Sender<()>,
}

impl Lingering {
    /// Completes once the learner has closed and its sessions have left, or had time enough to; never if the service ends
    /// before.
    pub async fn sessions_left(&mut self) {
        if self.left.wait_for(|left| *left).await.is_err() {
            std::future::pending().await
        }
    }
}

/// The service's side of [`Lingering`].
#[derive(Clone, Debug, Default)]
pub(super) struct Closing {
    left: watch::Sender<bool>,
    /// None if nobody holds it.
    held: Option<watch::Receiver<()>>,
}

impl Closing {
    /// One that is held.
    pub(super) fn held() -> (Self, Lingering) {
        let left = watch::Sender::new(false);
        let (_held, held) = watch::channel(());
        let lingering = Lingering {
            left: left.subscribe(),
            _held,
        };
        let held = Some(held);
        (Self { left, held }, lingering)
    }

    /// The sessions have left. Completes once nobody holds the service any more.
    pub(super) async fn sessions_left(self) {
        self.left.send_replace(true);
        if let Some(mut held) = self.held {
            while held.changed().await.is_ok() {}
        }
    }
}
