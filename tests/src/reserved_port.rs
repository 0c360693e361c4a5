use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

/// A port of loopback where nothing listens, kept from everybody but those who ask for it: a
/// service can listen there, go away and come back, and no other process gets it meanwhile.
pub struct ReservedPort {
    _socket: OwnedFd,
    /// The port's address.
    pub address: SocketAddr,
}

impl ReservedPort {
    /// One that was free.
    ///
    /// # Panics
    /// Where there is none.
    pub fn new() -> Self {
        // Bound and never listening: whoever sets the same option, as services do, can still bind it.
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        let socket = socket.expect("a socket can be made");
        sockopt::set_socket_reuseaddr(&socket, true).expect("the option can be set");
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = getsockname(&socket).expect("a bound socket has an address");
        Self {
            _socket: socket,
            address: address.try_into().expect("an IP address"),
        }
    }
}

impl Default for ReservedPort {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn services_come_and_go_and_nobody_answers_meanwhile() {
        let port = ReservedPort::new();
        for _ in 0..2 {
            assert!(TcpStream::connect(port.address).is_err());
            let service = TcpListener::bind(port.address).unwrap();
            assert!(TcpStream::connect(port.address).is_ok());
            drop(service);
        }
    }
}
