use tokio::sync::watch;

/// Keeps a service answering although its sessions have left, until this is dropped: whoever calls meanwhile is told that the
/// learner goes away, or how the run ended.
#[derive(Debug)]
pub struct Lingering {
    left: watch::Receiver<bool>,
    /// Whether it is in a hurry.
    held: watch::Sender<bool>,
}

impl Lingering {
    /// Those who evaluate what the run ended with are not waited for any more.
    pub fn hurry(&self) {
        self.held.send_replace(true);
    }

    /// Completes once the learner has closed and its sessions have left, or had time enough to; never if the service ends
    /// before.
    pub async fn sessions_left(&mut self) {
        if self.left.wait_for(|left| *left).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The service's side of [`Lingering`].
#[derive(Clone, Debug, Default)]
pub(super) struct Closing {
    left: watch::Sender<bool>,
    /// None if nobody holds it.
    held: Option<watch::Receiver<bool>>,
}

impl Closing {
    /// One that is held.
    pub(super) fn held() -> (Self, Lingering) {
        let left = watch::Sender::new(false);
        let (sender, held) = watch::channel(false);
        let lingering = Lingering {
            left: left.subscribe(),
            held: sender,
        };
        let held = Some(held);
        (Self { left, held }, lingering)
    }

    /// Completes once it is in a hurry.
    pub(super) async fn hurried(&self) {
        let Some(mut held) = self.held.clone() else {
            return std::future::pending().await;
        };
        // Whoever lets it go waits for nobody.
        let _ = held.wait_for(|hurry| *hurry).await;
    }

    /// The sessions have left. Completes once nobody holds the service any more.
    pub(super) async fn sessions_left(self) {
        self.left.send_replace(true);
        if let Some(mut held) = self.held {
            while held.changed().await.is_ok() {}
        }
    }
}
