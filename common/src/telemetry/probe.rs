use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A process that answers takes no time for `/healthz`.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of an answer's first line that are read: whoever listens there may say anything.
const LONGEST_LINE: u64 = 1_024;

/// Why a process does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing answers.
    #[error("no answer from http://{address}/healthz: {source}")]
    Silent {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The answer is another than 200.
    #[error("http://{address}/healthz: expected 200, found `{found}`")]
    Unhealthy {
        /// The address.
        address: SocketAddr,
        /// The answer's first line.
        found: String,
    },
}

/// Asks the process that serves HTTP at `address` for its `/healthz`, for images without `curl`.
///
/// # Errors
/// If nothing answers within two seconds, or something else than 200.
pub fn probe(address: SocketAddr) -> Result<(), ProbeError> {
    let found = status_line(address).map_err(|source| ProbeError::Silent { address, source })?;
    if found.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(ProbeError::Unhealthy { address, found })
    }
}

fn status_line(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_LINE)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What the probe says of a service that answers `line`.
    fn check(line: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let service = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = request.next().unwrap().unwrap();
            request
                .take_while(|line| !line.as_ref().unwrap().is_empty())
                .for_each(drop);
            stream.write_all(line.as_bytes()).unwrap();
            first
        });
        let result = probe(address).map_err(|error| error.to_string());
        assert_eq!(service.join().unwrap(), "GET /healthz HTTP/1.1");
        result
    }

    #[test]
    fn only_200_is_healthy() {
        assert_eq!(check("HTTP/1.1 200 OK\r\n\r\nok\n"), Ok(()));
        let draining = check("HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err();
        assert!(draining.ends_with("expected 200, found `HTTP/1.1 503 Service Unavailable`"));
        assert!(check("200\r\n").is_err());
        assert!(check("").is_err());
    }

    #[test]
    fn nobody_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(probe(address), Err(ProbeError::Silent { .. })));
    }
}
