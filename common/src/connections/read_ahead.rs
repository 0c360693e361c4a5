/// The buffer of a reader without one: whoever asks for as much as it holds reads past it, and it must not be empty.
pub const NO_READ_AHEAD: usize = 1;

/// What is read from a socket at once for TLS, which by itself asks for 4 KiB each time.
const BELOW_TLS: usize = 128 << 10;

/// How many bytes a gRPC connection reads at once if it is asked for fewer. HTTP/2 itself asks for many.
pub fn read_ahead(has_tls: bool) -> usize {
    if has_tls { BELOW_TLS } else { NO_READ_AHEAD }
}
