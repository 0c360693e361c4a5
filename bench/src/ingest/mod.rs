//! `troop bench ingest`: gradients into a learner.

mod args;
mod measurement;
mod spread;

pub(crate) use args::{Encoding, IngestArgs};

use serde::Serialize;

use crate::interruption::Interruption;
use crate::memory_copy::MemoryCopy;
use crate::message_buffer::Buffering;
use crate::optimizer_alone::OptimizerAlone;
use crate::raw_socket::{RawSocket, RawTraffic};
use crate::rounds;
use measurement::Ingest;
use spread::Spread;

/// # Errors
/// If a process fails, or the bench is interrupted.
pub(super) fn run(args: &IngestArgs) -> anyhow::Result<()> {
    rounds::report(args, args.repeat, args.json, |interruption| {
        Round::measure(args, interruption)
    })
}

/// What a learner of this machine takes of gradients of so many parameters if senders share its cores, in GB/s, and the CPU
/// seconds that each GB costs it.
///
/// # Errors
/// If a process fails, or the bench is interrupted.
pub(super) fn measure_shortly(
    params: usize,
    encoding: Encoding,
    interruption: &Interruption,
) -> anyhow::Result<(f64, f64)> {
    let measured = Ingest::measure(&IngestArgs::shortly(params, encoding), interruption)?;
    Ok((
        measured.gigabytes_per_second,
        measured.learner_cpu_seconds_per_gigabyte,
    ))
}

#[derive(Debug, Serialize)]
struct Round {
    learner: Ingest,
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    learner_without_tls: Option<Ingest>,
    /// From memory to memory.
    raw_socket: RawSocket,
    /// What is sent and received is nowhere as a whole: the upper limit.
    raw_socket_one_hot_block: RawSocket,
    memory_copy: MemoryCopy,
    optimizer_alone: OptimizerAlone,
    ratios: Ratios,
}

/// What is compared.
#[derive(Debug, Serialize)]
struct Ratios {
    #[serde(skip_serializing_if = "Option::is_none")]
    gradients_per_second_to_those_without_tls: Option<f64>,
    gigabytes_per_second_to_raw_socket: f64,
    gradients_per_second_to_optimizer_alone: f64,
    gradients_per_second_to_socket_and_optimizer: f64,
    peak_memory_to_parameters: f64,
}

impl Round {
    fn measure(args: &IngestArgs, interruption: &Interruption) -> anyhow::Result<Self> {
        // First of all: what does not fit is refused before anything is started.
        let (whole, one_block) = (
            args.raw_traffic(Buffering::Whole)?,
            args.raw_traffic(Buffering::Block)?,
        );
        let mut learner = Ingest::measure(args, interruption)?;
        let shards = learner.spread.take();
        let plain = args.without_tls();
        let learner_without_tls = args
            .tls
            .then(|| Ingest::measure(&plain, interruption))
            .transpose()?;
        let raw_socket =
            |lanes: &[RawTraffic]| RawSocket::measure(lanes, args.seconds / 2.0, interruption);
        let (raw_socket, raw_socket_one_hot_block) = (raw_socket(&whole)?, raw_socket(&one_block)?);
        let optimizer_alone = OptimizerAlone::measure(&args.optimizer, args.params)?;
        let ratios = Ratios {
            gradients_per_second_to_those_without_tls: learner_without_tls
                .as_ref()
                .map(|plain| learner.gradients_per_second / plain.gradients_per_second),
            gigabytes_per_second_to_raw_socket: learner.gigabytes_per_second
                / raw_socket.gigabytes_per_second,
            gradients_per_second_to_optimizer_alone: learner.gradients_per_second
                / optimizer_alone.steps_per_second,
            gradients_per_second_to_socket_and_optimizer: learner.gradients_per_second
                / both_per_second(&raw_socket, &optimizer_alone),
            peak_memory_to_parameters: learner.peak_memory_bytes as f64
                / learner.parameter_bytes as f64,
        };
        Ok(Self {
            learner,
            shards,
            learner_without_tls,
            raw_socket,
            raw_socket_one_hot_block,
            memory_copy: MemoryCopy::measure(args.message_bytes()),
            optimizer_alone,
            ratios,
        })
    }
}

/// Messages a second that the cores which the raw socket kept busy would carry and apply, if each
/// cost what the socket and the optimiser take by themselves.
fn both_per_second(raw_socket: &RawSocket, optimizer: &OptimizerAlone) -> f64 {
    let carrying = raw_socket.cpu_seconds_per_message();
    let applying = optimizer.steps_per_second.recip();
    raw_socket.messages_per_second * carrying / (carrying + applying)
}
