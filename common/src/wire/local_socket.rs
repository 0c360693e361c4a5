use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::net::sockopt::set_socket_send_buffer_size;

/// Asked of the system for what waits in a connection between processes of one machine; Linux
/// doubles it, for its own bookkeeping. By itself it grows to 4 MiB.
const SEND_BUFFER_BYTES: usize = 512 << 10;

/// Keeps a connection to a process of the same machine from running far ahead of its reader: what
/// was written is still in the cache when it is read then. Connections to other machines are left
/// alone, they need room for what is on its way.
///
/// # Errors
/// What the system says.
pub fn tune_if_local(socket: &impl AsFd, peer: SocketAddr) -> io::Result<()> {
    if peer.ip().is_loopback() {
        set_socket_send_buffer_size(socket, SEND_BUFFER_BYTES)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::net::sockopt::socket_send_buffer_size;

    use super::*;

    #[test]
    fn only_connections_within_the_machine_are_kept_short() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let before = socket_send_buffer_size(&stream).unwrap();
        tune_if_local(&stream, "192.0.2.1:7700".parse().unwrap()).unwrap();
        assert_eq!(socket_send_buffer_size(&stream).unwrap(), before);
        tune_if_local(&stream, stream.peer_addr().unwrap()).unwrap();
        assert!(socket_send_buffer_size(&stream).unwrap() <= 2 * SEND_BUFFER_BYTES);
        assert_ne!(socket_send_buffer_size(&stream).unwrap(), before);
    }
}
