use tonic::Request;
use tonic::transport::server::UdsConnectInfo;

/// Who is at the other end of a call's connection, as logs and the session table show it: address
/// and port, or the process behind a Unix socket. Empty where the transport does not say.
pub(super) fn name(connection: &http::Extensions) -> String {
    let mut request = Request::new(());
    *request.extensions_mut() = connection.clone();
    if let Some(address) = request.remote_addr() {
        return address.to_string();
    }
    let Some(info) = request.extensions().get::<UdsConnectInfo>() else {
        return String::new();
    };
    let process = info.peer_cred.as_ref().and_then(|peer| peer.pid());
    process.map_or_else(|| "unix".into(), |id| format!("unix:{id}"))
}
