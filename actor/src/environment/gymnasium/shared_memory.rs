//! The memory that an actor shares with a Gymnasium host.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::MmapMut;

/// A file mapped into this process and, by its path, into a host's.
pub(super) struct SharedMemory(MmapMut);

impl SharedMemory {
    /// Maps the whole of `file`, which must stay as long as it is.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: nothing shrinks the file: it is new, only its owner may open it, and it loses its name as soon as the
        // host has mapped it. The host writes to it between a command byte and its reply only; this process reads and
        // writes it outside of that time only, because commands take the host by `&mut`; and a host that misses a time
        // limit is killed, and waited for, before its memory is looked at or unmapped.
        unsafe { MmapMut::map_mut(file) }.map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
