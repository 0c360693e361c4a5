use troop_common::proto::v1;

use super::Part;

/// Gathers the chunks of one part.
#[derive(Debug)]
pub(crate) struct PartGathering {
    part: Part,
    /// Vectors that it has, and elements of each.
    vectors: usize,
    elements: usize,
}

impl PartGathering {
    /// For a part of `elements`, of a run whose optimiser has `kept` vectors beside the parameters.
    pub(crate) fn new(head: &v1::ShardPart, elements: usize, kept: usize) -> Self {
        let target = usize::from(head.target_taken_at_version.is_some());
        Self {
            part: Part {
                version: head.version,
                target_taken_at_version: head.target_taken_at_version,
                vectors: Vec::new(),
            },
            vectors: 1 + kept + target,
            elements,
        }
    }

    /// Takes the next chunk; gives the part once it is whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn accept(&mut self, chunk: &v1::ShardChunk) -> Result<Option<Part>, String> {
        let (values, rest) = chunk.data.as_chunks::<4>();
        let begun = match self.part.vectors.last() {
            Some(last) if last.len() < self.elements => self.part.vectors.len() - 1,
            _ => self.begin(),
        };
        let vector = &mut self.part.vectors[begun];
        let end = vector.len() + values.len();
        let found = (chunk.vector as usize, chunk.offset_elements);
        let expected = (begun, vector.len() as u64);
        if found != expected || end > self.elements || values.is_empty() || !rest.is_empty() {
            return Err(format!(
                "a chunk of {} bytes for element {} of vector {}; expected element {} of vector {}, and whole elements up \
                 to {}",
                chunk.data.len(),
                found.1,
                found.0,
                expected.1,
                expected.0,
                self.elements
            ));
        }
        vector.extend(values.iter().map(|quad| f32::from_le_bytes(*quad)));
        let is_whole = begun + 1 == self.vectors && end == self.elements;
        Ok(is_whole.then(|| self.take()))
    }

    fn take(&mut self) -> Part {
        Part {
            vectors: std::mem::take(&mut self.part.vectors),
            ..self.part.clone()
        }
    }

    /// Begins the next vector; gives its number.
    fn begin(&mut self) -> usize {
        self.part.vectors.push(Vec::with_capacity(self.elements));
        self.part.vectors.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::bounds::CHUNK_BYTES;

    fn part(elements: usize, vectors: usize, target: Option<u64>) -> Part {
        let vector = |index: usize| (0..elements).map(move |place| (index * 7 + place) as f32);
        let vectors = vectors + usize::from(target.is_some());
        Part {
            version: 9,
            target_taken_at_version: target,
            vectors: (0..vectors).map(|index| vector(index).collect()).collect(),
        }
    }

    #[test]
    fn what_was_cut_into_chunks_is_whole_again() {
        let chunk = CHUNK_BYTES / 4;
        for elements in [1, chunk - 1, chunk, chunk + 1, 2 * chunk + 7] {
            for (kept, target) in [(0, None), (0, Some(3)), (2, None), (2, Some(0))] {
                let sent = part(elements, 1 + kept, target);
                let mut gathering = PartGathering::new(&sent.head(3, None), elements, kept);
                let mut whole = None;
                for chunk in sent.chunks(3) {
                    assert!(whole.is_none());
                    whole = gathering.accept(&chunk).unwrap();
                }
                assert!(whole == Some(sent), "{elements} elements, {kept} kept");
            }
        }
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        let sent = part(4, 2, None);
        let gathering = || PartGathering::new(&sent.head(1, None), 4, 1);
        let chunks: Vec<_> = sent.chunks(1).collect();
        assert_eq!(chunks.len(), 2);
        assert!(gathering().accept(&chunks[1]).is_err(), "another vector");
        let mut once = gathering();
        assert_eq!(once.accept(&chunks[0]), Ok(None));
        assert!(once.accept(&chunks[0]).is_err(), "twice");
        let of = |bytes: usize| v1::ShardChunk {
            data: vec![0; bytes].into(),
            ..chunks[0].clone()
        };
        for bytes in [0, 3, 20] {
            assert!(gathering().accept(&of(bytes)).is_err(), "{bytes} bytes");
        }
    }
}
