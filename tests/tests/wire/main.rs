//! Learner and link over real sockets, without environments and without models.

mod answers;
mod async_link;
mod fake_learner;
mod gradients;
mod life;
mod link;
mod raw_session;
mod reconnecting;
mod refusals;
mod relays;
mod reports;
mod rig;
mod turns;
mod weights;
