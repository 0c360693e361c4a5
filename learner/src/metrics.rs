//! The learner's Prometheus metrics.

use prometheus::{
    Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};
use tokio::sync::watch;
use troop_common::metric_table;
use troop_common::metrics::powers;
use troop_common::telemetry::{RunInfo, register_process};

metric_table! {
    /// Everything that `/metrics` of a learner shows, in base units.
    pub struct Metrics of "troop_learner" {
        /// How often all this was read.
        pub(crate) reads: watch::Sender<u64> = watch::Sender::new(0),
    }

    gradients_applied: IntCounter = "gradients_applied_total", "gradients",
        "Gradients that changed the parameters",
        "Flat: look at `…_sessions`, then at the rejections";
    gradients_rejected: IntCounterVec = "gradients_rejected_total"["reason"], "gradients",
        "Gradients that were refused; see [reasons](#reasons-of-a-rejection)",
        "The reason says what to do";
    reports_refused: IntCounterVec = "reports_refused_total"["part"], "reports",
        "Reports that cannot be true: more env steps, frames, episodes, restarts or observations than the \
        experiment's segments hold, a return or loss that no 32-bit float can be, or a list or name beyond its \
        [bound](../proto/troop/v1/parameter_server.proto). Nothing of one is counted, its gradient is `malformed`, \
        and its session ends",
        "An actor of another version, a broken one, or somebody who means harm: the log names the worker";
    gradients_scaled: IntCounter = "gradients_scaled_total", "gradients",
        "Gradients applied at a lower learning rate because of their staleness (`learner.staleness = \"scale\"`)",
        "Most of them: the workers are far behind";
    gradients_compensated: IntCounter = "gradients_compensated_total", "gradients",
        "Gradients corrected by how far the parameters had moved (`learner.staleness = \"compensate\"`)",
        "";
    gradient_staleness: Histogram = "gradient_staleness_updates", "updates",
        "Version when a gradient was applied less the version it was computed on",
        "About the number of workers is healthy. Higher: publish more often (`learner.publish`), fewer workers, or \
        shorter segments (`method.t_max`)",
        [vec![0.0], powers(1.0, 2.0, 13)].concat();
    gradient_age: Histogram = "gradient_age_seconds", "s",
        "Age of a gradient when it was applied: the time since the weights behind it were published",
        "Grows with the segment's length; a long tail is a slow actor or a slow network",
        powers(0.001, 2.0, 17);
    apply_seconds: Histogram = "apply_seconds", "s",
        "Time of one optimiser step over all parameters",
        "Grows with the model. Large at a small model: the machine has fewer cores than threads that want them",
        powers(1e-6, 4.0, 11);
    queue_wait: Histogram = "queue_wait_seconds", "s",
        "From a gradient's last byte to the start of its apply",
        "Near `…_apply_seconds` or above: the learner is the bottleneck",
        powers(1e-6, 2.0, 24);
    buffer_wait: Histogram = "buffer_wait_seconds", "s",
        "Waiting for room in `learner.bytes_in_flight`; only gradients that had to wait",
        "Grows: more or larger gradients are on their way than the budget holds",
        powers(1e-4, 4.0, 10);
    bytes_in_flight: IntGauge = "bytes_in_flight", "bytes",
        "Memory of gradients between their first byte and their apply",
        "At `learner.bytes_in_flight`: senders wait";
    sessions_waiting: IntGauge = "sessions_waiting", "sessions",
        "Sessions that wait for others now: for their turn (`learner.staleness = \"bound\"`) or for their round's end \
        (`\"synchronous\"`)",
        "As many as there are sessions, for longer than a segment takes: somebody is silent; the log names who is \
        waited for once a minute";
    longest_wait: Gauge = "longest_wait_seconds", "s",
        "How long the first session of those that wait for others has been waiting",
        "Above `learner.straggler_timeout_ms`: one session holds up the others";
    sessions_silent: IntGauge = "sessions_silent", "sessions",
        "Open sessions that the others do not wait for, because three straggler timeouts passed without a gradient \
        of theirs that counted; the next one that does ends that",
        "Above 0: the log and the run's events name the worker. It hangs, all its gradients are rejected, or \
        `learner.straggler_timeout_ms` is short for it";
    turn_wait: Histogram = "turn_wait_seconds", "s",
        "Waiting for slower workers before taking weights (`learner.staleness = \"bound\"`); only turns that did not \
        come at once. Counted while it lasts, in slices of 5 s, as `…_buffer_wait_seconds` and \
        `…_round_wait_seconds` are",
        "Large: one worker is much slower than the others",
        powers(1e-4, 4.0, 10);
    rounds: IntCounterVec = "rounds_total"["end"], "rounds",
        "Synchronous rounds: `full`, all members contributed; `left`, all but those that left; `deadline`, some did \
        not in time",
        "Many with `deadline`: `learner.straggler_timeout_ms` is short for the slowest worker";
    round_wait: Histogram = "round_wait_seconds", "s",
        "From a gradient's arrival to the end of its round",
        "Large: workers differ in speed",
        powers(1e-4, 4.0, 10);
    gradient_norm: Histogram = "gradient_norm", "–",
        "Global norm of applied gradients before clipping",
        "Mostly above `optimizer.max_gradient_norm`: every step is clipped; lower the learning rate or raise the \
        limit. Near 0: nothing is learnt",
        powers(0.001, 4.0, 11);
    received_bytes: IntCounter = "received_bytes_total", "bytes",
        "Gradients as they came over the network",
        "Near the link's speed: `wire.gradients = \"bf16\"` halves it";
    sent_bytes: IntCounter = "sent_bytes_total", "bytes",
        "Weights as they left",
        "Near the link's speed: `wire.weights = \"bf16\"`, or publish less often";
    publishes: IntCounter = "publishes_total", "publishes",
        "Times that the current parameters became the newest weights",
        "Flat while gradients are applied: `learner.publish` is set too rare";
    weights_age: Gauge = "weights_age_seconds", "s",
        "Since the last publish",
        "Growing: no updates, or `learner.publish` is set too rare";
    sessions: IntGauge = "sessions", "sessions",
        "Workers that are connected",
        "Fewer than started: their logs say why; at `learner.max_sessions` more are refused";
    role_sessions: IntGaugeVec = "role_sessions"["role"], "sessions",
        "Open sessions by what they do: `bundled`, `act`, `train`",
        "0 of `act` or of `train` while the other is not: those wait for workers that are gone, and end after \
        `actor.give_up_after_s`";
    shard_skew: IntGauge = "shard_skew_updates", "updates",
        "Updates between the lead and the shard that is farthest from it, as the shards told within the last second \
        (`learner.shards`)",
        "Grows: one shard is slower than the others, or refuses what they apply; its own metrics say which";
    replays: IntGauge = "replays", "replays",
        "Replays that are there",
        "Fewer than `topology.replays`: their logs say why; workers wait for them";
    replay_items: IntGauge = "replay_items", "items",
        "Items that the replays hold together, as they told last; their own [metrics](#replay) say more",
        "0 while workers act: they reach no replay";
    replay_bytes: IntGauge = "replay_bytes", "bytes",
        "Bytes that the replays have taken together",
        "";
    replay_env_steps: IntCounter = "replay_env_steps_total", "env steps",
        "Env steps that were added to the replays",
        "Flat while workers act: they cannot reach a replay";
    replay_items_drawn: IntCounter = "replay_items_drawn_total", "items",
        "Items that were drawn from the replays, each as often as it was",
        "Flat while workers train: nothing is there to draw";
    sessions_joined: IntCounter = "sessions_joined_total", "sessions",
        "Sessions that joined",
        "Rising while `…_sessions` stays: actors come and go";
    sessions_left: IntCounter = "sessions_left_total", "sessions",
        "Sessions that left, for whatever reason",
        "Rising: the learner's log has the cause of each";
    env_steps: IntCounter = "env_steps_total", "env steps",
        "Experience that was reported; its rate is the throughput",
        "Slow: see [who waits](#who-waits-for-whom)";
    frames: IntCounter = "frames_total", "frames",
        "Env steps × frame skip",
        "";
    episodes: IntCounter = "episodes_total", "episodes",
        "Episodes that ended",
        "Flat while env steps grow: episodes do not end; does the environment terminate or truncate?";
    episode_return: Histogram = "episode_return", "return",
        "Undiscounted sum of the raw rewards of an episode",
        "",
        return_bounds();
    episode_return_mean: Gauge = "episode_return_mean", "return",
        "Mean of the last 100 episodes, or of those there are",
        "Flat from the start: learning rate, reward scale, exploration. Falls after it rose: the learning rate or \
        the staleness is too high";
    evaluations: IntCounter = "evaluations_total", "evaluations",
        "Evaluations apart from training that were reported (`experiment.evaluate`)",
        "Flat while env steps grow: an evaluation takes longer than training, or nobody evaluates; the log says why";
    evaluation_return_mean: Gauge = "evaluation_return_mean", "return",
        "Mean return of the newest evaluation's episodes",
        "Far from `…_episode_return_mean`: the policy's likeliest actions fare otherwise than those that it draws";
    evaluation_return_std: Gauge = "evaluation_return_std", "return",
        "Standard deviation of the newest evaluation's returns",
        "";
    evaluation_env_steps: IntGauge = "evaluation_env_steps", "env steps",
        "Env steps of the run when the newest evaluation's weights were published; 0 before the first",
        "";
    episode_length: Histogram = "episode_length", "env steps",
        "Length of an episode",
        "All at the environment's limit: the agent has found a way to stall, or a way to survive",
        powers(8.0, 2.0, 12);
    loss: GaugeVec = "loss"["term"], "–",
        "Last reported mean of a loss term. `a3c`: `policy`, `value`, `entropy`; methods of action values: `value`, \
        `q`; `acer`: `policy`, `value`, `entropy`, `kl` (from the average policy), `trust_region` (share of steps \
        that it held back), and of replayed segments `importance_weight`, `bias_correction`; `impala`: `policy`, `value`, `entropy`, \
        `importance_weight` (mean of min(ρ̄, π/μ)), `truncated` (share of π/μ above ρ̄); `ppo`: \
        `policy`, `value`, `entropy`, `kl` (from the policy of the first epoch), `clip_fraction` (share of steps whose \
        ratio is beyond ε), `importance_weight` (of that policy to the one that acted); of unrolls `kl` is from the policy that acted, \
        and `importance_weight` the mean of min(1, π/μ). `r2d2`'s are of rescaled values",
        "`entropy` at 0 early: the policy has settled too soon, raise `method.entropy_weight`. `q` or `value` \
        without bounds: lower the learning rate, clip rewards";
    learning_rate: Gauge = "learning_rate", "–",
        "η of the last update",
        "0 at the end of a run with `optimizer.anneal = \"linear\"` is as it should be";
    version: IntGauge = "version", "updates",
        "Updates applied in the run, earlier lives included",
        "";
    epoch: IntGauge = "epoch", "lives",
        "Which life of the learner within the run this is, from 1",
        "Rises by itself: something restarts the learner";
    environment_restarts: IntCounter = "environment_restarts_total", "restarts",
        "Gymnasium hosts that actors had to replace",
        "Rising: the actors' logs have the exception or the last words";
    checkpoints: IntCounter = "checkpoints_total", "checkpoints",
        "Checkpoints written",
        "Flat for longer than `checkpoint.interval_s`: the log says why; is the disk full?";
    overdue_gradients: IntCounter = "overdue_gradients_total", "gradients",
        "Gradients whose rest did not come in time; each ended its session",
        "Rising: a network that is too slow for the model, or a worker that hangs";
    checkpoint_failures: IntCounter = "checkpoint_failures_total", "checkpoints",
        "Checkpoints that could not be written",
        "Any: the log and `/healthz` say why";
    checkpoint_failing: IntGauge = "checkpoint_failing", "0 or 1",
        "1 if the last checkpoint could not be written; it is tried again after `checkpoint.interval_s`",
        "1: what was learnt since is lost if the learner ends now";
    last_checkpoint: Gauge = "last_checkpoint_timestamp_seconds", "s",
        "Unix time of the last checkpoint; before the first, of this life's beginning. `time() - …` is the \
        checkpoint's age",
        "An age of several `…_checkpoint_interval_seconds` while gradients are applied: as above";
    checkpoint_interval: Gauge = "checkpoint_interval_seconds", "s",
        "`checkpoint.interval_s`",
        "";
    disk_available: IntGauge = "disk_available_bytes", "bytes",
        "Room that is left on the file system of the run directory; looked at every 5 s",
        "Near 0: remove old runs, lower `checkpoint.keep`";
    disk_size: IntGauge = "disk_size_bytes", "bytes",
        "Size of the file system of the run directory",
        "";
    run: RunInfo = "run_info"["run", "experiment", "environment", "method"], "–",
        "What runs; always 1. `run` is the name of the run directory",
        "";
    run_env_steps: IntGauge = "run_env_steps", "env steps",
        "Env steps of the run, earlier lives included",
        "";
    run_env_steps_target: IntGauge = "run_env_steps_target", "env steps",
        "`experiment.total_env_steps`: there the run is over",
        "";
    max_staleness: IntGauge = "max_staleness_updates", "updates",
        "`learner.max_staleness_updates`",
        "";
    phase: IntGaugeVec = "phase"["phase"], "–",
        "1 for what the learner is doing: `running`, `draining`, `finished`; 0 for the others",
        "`draining`: it was told to stop and may come back";
}

/// CartPole's 0 to 500 and Pong's −21 to 21 both spread over these.
fn return_bounds() -> Vec<f64> {
    let small = (-4..=4).map(|fives| f64::from(fives) * 5.0);
    small.chain(powers(50.0, 2.0, 10)).collect()
}

impl Metrics {
    /// Registers every metric in a registry of its own.
    ///
    /// # Errors
    /// If two metrics have one name, which the tests rule out.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        register_process(&registry)?;
        Self::register(registry)
    }
}

/// A count as a gauge takes it: the largest one if it is too large for any.
pub(crate) fn of_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
