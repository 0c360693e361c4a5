use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A port that leads to a service until it is cut off, and again once it is joined.
pub struct Relay {
    /// What is called in the service's place.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    /// Both ends of what goes through.
    streams: Vec<TcpStream>,
}

impl Relay {
    /// One that leads to the service at `url`, `http://` and an address.
    ///
    /// # Panics
    /// Where there is no port, or no such address.
    pub fn to(url: &str) -> Self {
        let target = url.trim_start_matches("http://").parse();
        let target: SocketAddr = target.expect("an address");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever calls is hung up on.
                let _ = through(&stream, target, &shared);
            }
        });
        Self { address, state }
    }

    /// What is called in the service's place, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Hangs up on everybody, and on whoever calls from now on.
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        state.is_cut = true;
        for stream in state.streams.drain(..) {
            // It may have ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Leads there again.
    pub fn join(&self) {
        lock(&self.state).is_cut = false;
    }
}

fn through(near: &TcpStream, target: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    let mut state = lock(state);
    if state.is_cut {
        return Ok(());
    }
    let far = TcpStream::connect(target)?;
    for (from, to) in [(near, &far), (&far, near)] {
        state.streams.push(from.try_clone()?);
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || {
            // However it ends, the other side hears of it.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
