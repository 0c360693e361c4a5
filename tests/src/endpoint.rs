use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::exposition::Exposition;
use crate::waiting::LIMIT;

/// An HTTP service of a process under test.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What follows the headers.
    pub body: String,
}

impl Endpoint {
    /// `GET path`.
    ///
    /// # Panics
    /// Where nothing answers.
    pub fn get(&self, path: &str) -> Response {
        self.try_get(path, &[])
            .unwrap_or_else(|error| panic!("GET http://{}{path}: {error}", self.address))
    }

    /// `GET path` with further headers, each a whole line.
    ///
    /// # Errors
    /// Where nothing answers.
    pub fn try_get(&self, path: &str, headers: &[&str]) -> io::Result<Response> {
        self.try_get_within(path, headers, LIMIT)
    }

    /// The same where each of connecting and answering may take only so long.
    ///
    /// # Errors
    /// Where nothing answers in time.
    pub fn try_get_within(
        &self,
        path: &str,
        headers: &[&str],
        limit: Duration,
    ) -> io::Result<Response> {
        let mut stream = TcpStream::connect_timeout(&self.address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        let mut lines = vec![
            format!("GET {path} HTTP/1.1"),
            format!("Host: {}", self.address),
            "Connection: close".to_owned(),
        ];
        lines.extend(headers.iter().map(|line| (*line).to_owned()));
        stream.write_all((lines.join("\r\n") + "\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        parse(&answer).ok_or_else(|| io::Error::other(format!("no HTTP: {answer}")))
    }

    /// `/api/status`.
    ///
    /// # Panics
    /// Where nothing answers, or no JSON.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/status").body).expect("/api/status is JSON")
    }

    /// `/metrics`.
    ///
    /// # Panics
    /// Where nothing answers, or something that Prometheus could not read.
    pub fn metrics(&self) -> Exposition {
        Exposition::parse(&self.get("/metrics").body)
    }
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    // Both services say how long their answers are, so that there are no chunks to put together.
    let chunked = head.to_lowercase().contains("transfer-encoding");
    (!chunked).then(|| Response {
        status,
        body: body.to_owned(),
    })
}
