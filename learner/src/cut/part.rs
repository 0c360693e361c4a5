use bytes::Bytes;
use troop_common::bounds::CHUNK_BYTES;
use troop_common::layout::Layout;
use troop_common::proto::v1;
use troop_common::proto::v1::Encoding;
use troop_common::wire::encode_into;

/// Elements of a chunk.
const CHUNK_ELEMENTS: usize = CHUNK_BYTES / size_of::<f32>();

/// What one shard holds: a range of each vector of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// Updates applied.
    pub(crate) version: u64,
    /// Version at which the target network was taken, if there is one.
    pub(crate) target_taken_at_version: Option<u64>,
    /// The parameters, the optimiser's vectors in the order of their names, and the target network if there is one.
    pub(crate) vectors: Vec<Vec<f32>>,
}

impl Part {
    /// What goes before its chunks; with the layout of the whole if a shard begins with it.
    pub(crate) fn head(&self, cut: u64, layout: Option<&Layout>) -> v1::ShardPart {
        v1::ShardPart {
            cut,
            version: self.version,
            target_taken_at_version: self.target_taken_at_version,
            layout: layout.map(Into::into),
        }
    }

    /// Its chunks, each made when it is asked for.
    pub(crate) fn chunks(&self, cut: u64) -> impl Iterator<Item = v1::ShardChunk> {
        let vectors = self.vectors.iter().enumerate();
        vectors.flat_map(move |(index, vector)| {
            let pieces = vector.chunks(CHUNK_ELEMENTS).enumerate();
            pieces.map(move |(piece, values)| v1::ShardChunk {
                cut,
                vector: index as u32,
                offset_elements: (piece * CHUNK_ELEMENTS) as u64,
                data: bytes_of(values),
            })
        })
    }
}

fn bytes_of(values: &[f32]) -> Bytes {
    let mut bytes = vec![0; size_of_val(values)];
    encode_into(values, Encoding::F32, &mut bytes);
    bytes.into()
}
