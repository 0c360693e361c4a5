//! One process of the raw-socket measurement: what the machine carries without any protocol.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::Context;
use clap::Args;
use troop_common::address::Address;

use super::socket::{self, Stream};
use super::stage::{Stage, say};

/// Bytes of one read, and of one write: measured to be the fastest on loopback.
const BLOCK_BYTES: usize = 256 << 10;

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
}

/// Sends messages over every connection.
///
/// # Errors
/// Where a connection cannot be made.
pub(super) fn send(args: &RawPeerArgs) -> anyhow::Result<()> {
    let part = |mut stream: Stream| {
        move |stage: &Stage| {
            stage.ready();
            match args.reply_bytes {
                0 => send_unanswered(args, &mut stream, stage),
                1..=SMALL_REPLY_BYTES => send_in_turn(args, &mut stream, stage),
                _ => send_and_receive(args, stream, stage),
            }
        }
    };
    let parts = connections(args)?.into_iter().map(part).collect();
    Stage::default().run(parts)
}

/// Receives and answers messages over every connection.
///
/// # Errors
/// Where a connection cannot be made.
pub(super) fn receive(args: &RawPeerArgs) -> anyhow::Result<()> {
    let part = |mut stream: Stream| {
        move |stage: &Stage| {
            stage.ready();
            answer(args, &mut stream, stage)
        }
    };
    let parts = connections(args)?.into_iter().map(part).collect();
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

/// Nobody replies: the connection's own buffers say when to wait.
fn send_unanswered(args: &RawPeerArgs, stream: &mut Stream, stage: &Stage) -> anyhow::Result<()> {
    let message = vec![1; args.message_bytes];
    while !stage.ended() {
        write_message(stream, &message)?;
        stage.sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Messages and replies in one thread: a reply never fills the connection.
fn send_in_turn(args: &RawPeerArgs, stream: &mut Stream, stage: &Stage) -> anyhow::Result<()> {
    let message = vec![1; args.message_bytes];
    let mut reply = vec![0; args.reply_bytes];
    let mut unanswered = 0;
    while !stage.ended() {
        if unanswered == args.in_flight {
            stream.read_exact(&mut reply)?;
            unanswered -= 1;
        }
        write_message(stream, &message)?;
        unanswered += 1;
        stage.sent.fetch_add(1, Ordering::Relaxed);
    }
    for _ in 0..unanswered {
        stream.read_exact(&mut reply)?;
    }
    Ok(())
}

/// Messages from this thread, while another takes the replies.
fn send_and_receive(args: &RawPeerArgs, mut stream: Stream, stage: &Stage) -> anyhow::Result<()> {
    let message = vec![1; args.message_bytes];
    let (unanswered, answered) = sync_channel(args.in_flight);
    let mut replies = stream.duplicate()?;
    thread::scope(|scope| {
        let receiver = scope.spawn(move || receive_replies(args, &mut replies, &answered, stage));
        // Its error is told by the receiver.
        while !stage.ended() && unanswered.send(()).is_ok() {
            write_message(&mut stream, &message)?;
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
    stream: &mut Stream,
    answered: &Receiver<()>,
    stage: &Stage,
) -> anyhow::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    while read_message(stream, args.reply_bytes, &mut block)? {
        stage.received.fetch_add(1, Ordering::Relaxed);
        let bytes = args.reply_bytes as u64;
        stage.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        if answered.recv().is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn answer(args: &RawPeerArgs, stream: &mut Stream, stage: &Stage) -> anyhow::Result<()> {
    let reply = vec![1; args.reply_bytes];
    let mut block = vec![0; BLOCK_BYTES];
    while read_message(stream, args.message_bytes, &mut block)? {
        stage.received.fetch_add(1, Ordering::Relaxed);
        let bytes = args.message_bytes as u64;
        stage.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        write_message(stream, &reply)?;
    }
    Ok(())
}

fn write_message(stream: &mut Stream, message: &[u8]) -> std::io::Result<()> {
    let mut blocks = message.chunks(BLOCK_BYTES);
    blocks.try_for_each(|block| stream.write_all(block))
}

/// Reads a message into one small buffer again and again, which stays in the cache; `false` at the
/// connection's end.
fn read_message(stream: &mut Stream, bytes: usize, block: &mut [u8]) -> std::io::Result<bool> {
    let mut left = bytes;
    while left > 0 {
        let room = left.min(block.len());
        match stream.read(&mut block[..room])? {
            0 => return Ok(false),
            read => left -= read,
        }
    }
    Ok(true)
}
