//! The arrays in the memory shared with a host.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use tempfile::NamedTempFile;
use troop_common::experience::Observations;
use troop_common::spaces::{ActionSpace, ElementType, Spaces};

use super::handshake::element_size;
use super::shared_memory::SharedMemory;

/// Each array begins at a multiple of this: a cache line.
const ALIGNMENT: usize = 64;
/// Memory that looks like a directory, where the system has it.
const MEMORY_DIRECTORY: &str = "/dev/shm";

/// Where each array lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArrayLayout {
    observations: Range<usize>,
    final_observations: Range<usize>,
    rewards: Range<usize>,
    terminated: Range<usize>,
    truncated: Range<usize>,
    actions: Range<usize>,
    masks: Range<usize>,
    final_masks: Range<usize>,
    masked: Range<usize>,
}

impl ArrayLayout {
    /// For `count` environments with these spaces.
    pub(super) fn new(spaces: &Spaces, count: usize) -> Self {
        let observations =
            count * spaces.observation.len() * element_size(spaces.observation.element);
        let actions = match &spaces.action {
            ActionSpace::Discrete { .. } => count * size_of::<i64>(),
            ActionSpace::MultiDiscrete { n } => count * n.len() * size_of::<i64>(),
            ActionSpace::Box { low, .. } => count * low.len() * size_of::<f32>(),
        };
        let masks = count * spaces.action.choices();
        let mut end = 0;
        let mut place = |bytes: usize| {
            let start = end;
            end = (start + bytes).next_multiple_of(ALIGNMENT);
            start..start + bytes
        };
        Self {
            observations: place(observations),
            final_observations: place(observations),
            rewards: place(count * size_of::<f32>()),
            terminated: place(count),
            truncated: place(count),
            actions: place(actions),
            masks: place(masks),
            final_masks: place(masks),
            masked: place(1),
        }
    }

    /// All arrays under the names that the host has for them.
    pub(super) fn named(&self) -> BTreeMap<&'static str, Range<usize>> {
        BTreeMap::from([
            ("observations", self.observations.clone()),
            ("final_observations", self.final_observations.clone()),
            ("rewards", self.rewards.clone()),
            ("terminated", self.terminated.clone()),
            ("truncated", self.truncated.clone()),
            ("actions", self.actions.clone()),
            ("masks", self.masks.clone()),
            ("final_masks", self.final_masks.clone()),
            ("masked", self.masked.clone()),
        ])
    }

    /// Bytes of the whole.
    fn len(&self) -> usize {
        self.masked.end.next_multiple_of(ALIGNMENT)
    }
}

/// Typed access to the arrays.
pub(super) struct SharedArrays {
    memory: SharedMemory,
    layout: ArrayLayout,
    element: ElementType,
}

impl SharedArrays {
    /// Makes the memory. It has a name as long as the file lives.
    pub(super) fn create(
        layout: ArrayLayout,
        element: ElementType,
    ) -> io::Result<(Self, NamedTempFile)> {
        let mut file = create_file()?;
        // Written, not just sized: a full memory file system answers here, where a hole in the file would be a fatal
        // signal at the first access.
        file.write_all(&vec![0; layout.len()])?;
        let memory = SharedMemory::map(file.as_file())?;
        Ok((
            Self {
                memory,
                layout,
                element,
            },
            file,
        ))
    }

    pub(super) fn observations(&self) -> Observations<'_> {
        self.typed(&self.layout.observations)
    }

    pub(super) fn final_observations(&self) -> Observations<'_> {
        self.typed(&self.layout.final_observations)
    }

    pub(super) fn rewards(&self) -> &[f32] {
        bytemuck::cast_slice(self.bytes(&self.layout.rewards))
    }

    pub(super) fn terminated(&self) -> &[u8] {
        self.bytes(&self.layout.terminated)
    }

    pub(super) fn truncated(&self) -> &[u8] {
        self.bytes(&self.layout.truncated)
    }

    /// Which choices the observations leave open, then the final observations: 0 where they do not.
    /// None where the environments do not say so.
    pub(super) fn masks(&self) -> Option<(&[u8], &[u8])> {
        let given = self.bytes(&self.layout.masked) != [0];
        given.then(|| {
            (
                self.bytes(&self.layout.masks),
                self.bytes(&self.layout.final_masks),
            )
        })
    }

    /// Where the host reads `i64` choices.
    pub(super) fn discrete_actions(&mut self) -> &mut [i64] {
        bytemuck::cast_slice_mut(&mut self.memory.bytes_mut()[self.layout.actions.clone()])
    }

    /// Where the host reads `f32` vectors.
    pub(super) fn continuous_actions(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.memory.bytes_mut()[self.layout.actions.clone()])
    }

    fn typed(&self, range: &Range<usize>) -> Observations<'_> {
        let bytes = self.bytes(range);
        match self.element {
            ElementType::F32 => Observations::F32(bytemuck::cast_slice(bytes)),
            ElementType::U8 => Observations::U8(bytes),
        }
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.memory.bytes()[range.clone()]
    }
}

/// A file of mode 0600 in memory, or where temporary files go.
fn create_file() -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("troop-");
    let memory = Path::new(MEMORY_DIRECTORY);
    if memory.is_dir() {
        builder.tempfile_in(memory)
    } else {
        builder.tempfile()
    }
}
