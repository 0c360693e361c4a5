use crate::connections::Connection;
use tonic::Request;

/// Who makes a call.
pub struct Caller {
    /// As logs and the session table show it: address and port, or the process behind a Unix socket. Empty if
    /// the transport does not say.
    pub name: String,
    /// The number of the connection, which no other has; 0 if the transport does not say.
    pub connection: u64,
}

impl Caller {
    /// The one that a call's extensions tell of.
    pub fn of(call: &http::Extensions) -> Self {
        if let Some(connection) = call.get::<Connection>() {
            return Self {
                name: connection.peer().into(),
                connection: connection.id(),
            };
        }
        let mut request = Request::new(());
        *request.extensions_mut() = call.clone();
        let address = request.remote_addr();
        Self {
            name: address
                .map(|address| address.to_string())
                .unwrap_or_default(),
            connection: 0,
        }
    }
}
