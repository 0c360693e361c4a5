use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use serde::Serialize;

/// Where a process of a bench runs, and the address that it listens on there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    /// A network namespace of this machine; none is the bench's own.
    namespace: Option<String>,
    address: IpAddr,
}

impl Default for Place {
    /// Loopback.
    fn default() -> Self {
        Self {
            namespace: None,
            address: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Place {
    /// A free port of its address.
    pub(super) fn listen(&self) -> SocketAddr {
        (self.address, 0).into()
    }

    /// Whether others than this machine's could reach what listens there.
    pub(super) fn is_open(&self) -> bool {
        !self.address.is_loopback()
    }

    /// What runs a program there. The process stays the one that is started.
    pub(super) fn command(&self, program: &Path) -> Command {
        let Some(namespace) = &self.namespace else {
            return Command::new(program);
        };
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{namespace}"))
            .arg(program);
        command
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected NAME=IP, such as learner-0=10.0.0.1, found `{text}`");
        let (namespace, address) = text.split_once('=').ok_or_else(expected)?;
        let is_name = !namespace.is_empty() && !namespace.contains('/');
        let address = address.parse().map_err(|_| expected())?;
        is_name.then_some(()).ok_or_else(expected)?;
        Ok(Self {
            namespace: Some(namespace.to_owned()),
            address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_and_an_address_make_a_place() {
        let place: Place = "learner-1=10.0.1.2".parse().unwrap();
        assert_eq!(place.listen(), "10.0.1.2:0".parse().unwrap());
        assert!(place.is_open() && !Place::default().is_open());
        let command = place.command(Path::new("/bin/true"));
        assert_eq!(command.get_program(), "nsenter");
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["--net=/run/netns/learner-1", "/bin/true"]);
        for wrong in ["", "a", "a=", "=10.0.0.1", "../a=10.0.0.1", "a=b"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
