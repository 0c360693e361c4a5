//! One process of the raw-socket measurement: what the machine carries without any protocol, from
//! memory to memory. A sender has as many message buffers as messages may be in flight and takes
//! them in turns; a receiver has one for each connection.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::Context;
use clap::Args;
use troop_common::address::Address;

use super::message_buffer::{Buffering, MessageBuffer};
use super::socket::{self, Stream};
use super::stage::{Stage, say};

/// Larger replies are read by a thread of their own, so that both directions flow at once.
const SMALL_REPLY_BYTES: usize = 4 << 10;

#[derive(Args)]
pub(crate) struct RawPeerArgs {
    /// Waits for the connections here.
    #[arg(long)]
    listen: Option<Address>,
    /// Makes the connections to here.
    #[arg(long, conflicts_with = "listen", required_unless_present = "listen")]
    connect: Option<Address>,
    /// How many, a thread each.
    #[arg(long)]
    connections: usize,
    /// Bytes of a message.
    #[arg(long)]
    message_bytes: usize,
    /// Bytes of the reply to a message; 0 for none.
    #[arg(long)]
    reply_bytes: usize,
    /// Messages of a connection that may be without a reply.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// What messages and replies are written from and read into.
    #[arg(long, value_enum, default_value_t = Buffering::Whole)]
    memory: Buffering,
}

impl RawPeerArgs {
    fn message(&self) -> MessageBuffer {
        MessageBuffer::new(self.memory, self.message_bytes)
    }

    fn reply(&self) -> MessageBuffer {
        MessageBuffer::new(self.memory, self.reply_bytes)
    }

    /// One for each message of a connection that may be in flight.
    fn messages(&self) -> Vec<MessageBuffer> {
        (0..self.in_flight).map(|_| self.message()).collect()
    }
}

/// Sends messages over every connection.
///
/// # Errors
/// If a connection cannot be made.
pub(super) fn send(args: &RawPeerArgs) -> anyhow::Result<()> {
    match args.reply_bytes {
        0 => broadcast(args),
        1..=SMALL_REPLY_BYTES => play(args, |stream, stage| send_in_turn(args, stream, stage)),
        _ => play(args, |stream, stage| send_and_receive(args, stream, stage)),
    }
}

/// Receives and answers messages over every connection.
///
/// # Errors
/// If a connection cannot be made.
pub(super) fn receive(args: &RawPeerArgs) -> anyhow::Result<()> {
    play(args, |stream, stage| answer(args, stream, stage))
}

/// Makes all connections and runs each in a thread of its own.
fn play(
    args: &RawPeerArgs,
    part: impl Fn(Stream, &Stage) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let part = &part;
    let of_stream = |stream| move |stage: &Stage| part(stream, stage);
    let parts = connections(args)?.into_iter().map(of_stream).collect();
    Stage::default().run(parts)
}

/// All connections, made or taken; whoever listens says where.
fn connections(args: &RawPeerArgs) -> anyhow::Result<Vec<Stream>> {
    let each = 0..args.connections;
    if let Some(address) = &args.connect {
        let connect = |_| socket::connect(address);
        let streams = each.map(connect).collect::<Result<_, _>>();
        return streams.with_context(|| format!("cannot connect to {address}"));
    }
    let address = args.listen.as_ref().context("no address given")?;
    let listener =
        socket::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    say(&listener.address()?.to_string())?;
    Ok(each.map(|_| listener.accept()).collect::<Result<_, _>>()?)
}

/// One message, in the same memory for all connections. Nobody replies: the connections' own
/// buffers say when to wait.
fn broadcast(args: &RawPeerArgs) -> anyhow::Result<()> {
    let message = args.message();
    play(args, |mut stream, stage| {
        stage.ready();
        while !stage.ended() {
            message.write_to(&mut stream)?;
            stage.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}

/// Messages and replies in one thread: a reply never fills the connection.
fn send_in_turn(args: &RawPeerArgs, mut stream: Stream, stage: &Stage) -> anyhow::Result<()> {
    let (messages, mut reply) = (args.messages(), args.reply());
    let mut unanswered = 0;
    stage.ready();
    for message in messages.iter().cycle() {
        if stage.ended() {
            break;
        }
        if unanswered == args.in_flight {
            reply.read_from(&mut stream)?;
            unanswered -= 1;
        }
        message.write_to(&mut stream)?;
        unanswered += 1;
        stage.sent.fetch_add(1, Ordering::Relaxed);
    }
    for _ in 0..unanswered {
        reply.read_from(&mut stream)?;
    }
    Ok(())
}

/// Messages from this thread, while another takes the replies.
fn send_and_receive(args: &RawPeerArgs, mut stream: Stream, stage: &Stage) -> anyhow::Result<()> {
    let messages = args.messages();
    let (unanswered, answered) = sync_channel(args.in_flight);
    let replies = stream.duplicate()?;
    stage.ready();
    thread::scope(|scope| {
        let receiver = scope.spawn(move || receive_replies(args, replies, &answered, stage));
        for message in messages.iter().cycle() {
            // Why the replies ended is told by their receiver.
            if stage.ended() || unanswered.send(()).is_err() {
                break;
            }
            message.write_to(&mut stream)?;
            stage.sent.fetch_add(1, Ordering::Relaxed);
        }
        stream.end()?;
        receiver
            .join()
            .map_err(|_| anyhow::anyhow!("the thread that reads replies panicked"))?
    })
}

fn receive_replies(
    args: &RawPeerArgs,
    mut stream: Stream,
    answered: &Receiver<()>,
    stage: &Stage,
) -> anyhow::Result<()> {
    let mut reply = args.reply();
    while reply.read_from(&mut stream)? {
        count_received(args.reply_bytes, stage);
        if answered.recv().is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn answer(args: &RawPeerArgs, mut stream: Stream, stage: &Stage) -> anyhow::Result<()> {
    let (mut message, reply) = (args.message(), args.reply());
    stage.ready();
    while message.read_from(&mut stream)? {
        count_received(args.message_bytes, stage);
        reply.write_to(&mut stream)?;
    }
    Ok(())
}

fn count_received(bytes: usize, stage: &Stage) {
    stage.received.fetch_add(1, Ordering::Relaxed);
    stage
        .received_bytes
        .fetch_add(bytes as u64, Ordering::Relaxed);
}
