//! Checkpoints: everything that a restart needs, written so that a crash never leaves half of one.
//!
//! A checkpoint is a directory named after its version:
//! `weights.safetensors` (parameters by the layout's names), `optimizer.safetensors` and
//! `target.safetensors` if there is such state, `observations.safetensors` if observations are
//! normalised, `state.json`, and `manifest.json` with the
//! SHA-256 of each of the others.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use troop_common::layout::Layout;

use super::atomic_file::sync_directory;
use super::moments_file;
pub use crate::parameter_server::{Checkpoint, CheckpointState};

const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const TARGET: &str = "target.safetensors";
const OBSERVATIONS: &str = "observations.safetensors";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("checkpoint {path} is damaged: {why}")]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// How that shows.
        why: String,
    },
    /// There are checkpoints, but none of them can be read.
    #[error("none of the {count} checkpoints in {path} can be read; the newest: {newest}")]
    NoneValid {
        /// Where they are.
        path: PathBuf,
        /// How many there are.
        count: usize,
        /// What is wrong with the newest.
        newest: Box<CheckpointError>,
    },
}

impl CheckpointError {
    /// Whether the files are not what was written, rather than the system not letting them be read now.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::NoneValid { .. } => true,
            // A checkpoint has all of its files before it has its name.
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        }
    }
}

impl Checkpoint {
    /// Writes its files into an empty directory, durably.
    ///
    /// # Errors
    /// If one cannot be written.
    pub(crate) fn write_files(&self, directory: &Path) -> Result<(), CheckpointError> {
        let layout = &self.state.layout;
        let mut files = vec![(
            WEIGHTS,
            serialize(&named(layout, "", &self.parameters), directory)?,
        )];
        if !self.optimizer.is_empty() {
            let tensors: Vec<_> = self
                .optimizer
                .iter()
                .flat_map(|(name, vector)| named(layout, &format!("{name}/"), vector))
                .collect();
            files.push((OPTIMIZER, serialize(&tensors, directory)?));
        }
        if let Some(target) = &self.target {
            files.push((TARGET, serialize(&named(layout, "", target), directory)?));
        }
        if let Some(moments) = &self.observations {
            let bytes = moments_file::write(moments);
            let why = |why| damaged(&directory.join(OBSERVATIONS), why);
            files.push((OBSERVATIONS, bytes.map_err(why)?));
        }
        files.push((STATE, json(&self.state, directory)?));
        let manifest: BTreeMap<&str, String> = files
            .iter()
            .map(|(name, bytes)| (*name, checksum(bytes)))
            .collect();
        files.push((MANIFEST, json(&manifest, directory)?));
        for (name, bytes) in &files {
            write_synced(&directory.join(name), bytes)?;
        }
        sync_directory(directory).map_err(io_error(directory))
    }

    /// Reads one checkpoint and checks every file of it.
    ///
    /// # Errors
    /// If a file is missing, unreadable, or not what was written.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let manifest: BTreeMap<String, String> =
            parse_json(&path.join(MANIFEST), &read(&path.join(MANIFEST))?)?;
        let load = |name: &str| -> Result<Option<Vec<u8>>, CheckpointError> {
            let Some(expected) = manifest.get(name) else {
                return Ok(None);
            };
            let bytes = read(&path.join(name))?;
            let found = checksum(&bytes);
            if found == *expected {
                Ok(Some(bytes))
            } else {
                Err(damaged(
                    &path.join(name),
                    format!("its SHA-256 is {found}; expected {expected}"),
                ))
            }
        };
        let required =
            |name: &str| load(name)?.ok_or_else(|| damaged(path, format!("{name} is missing")));
        let state: CheckpointState = parse_json(&path.join(STATE), &required(STATE)?)?;
        let flat = |name: &str, prefix: &str, bytes: &[u8]| {
            flatten(&state.layout, prefix, bytes).map_err(|why| damaged(&path.join(name), why))
        };
        let parameters = flat(WEIGHTS, "", &required(WEIGHTS)?)?;
        let target = load(TARGET)?
            .map(|bytes| flat(TARGET, "", &bytes))
            .transpose()?
            .map(Arc::new);
        let observations = load(OBSERVATIONS)?
            .map(|bytes| moments_file::read(&bytes))
            .transpose()
            .map_err(|why| damaged(&path.join(OBSERVATIONS), why))?;
        let mut optimizer = BTreeMap::new();
        if let Some(bytes) = load(OPTIMIZER)? {
            for name in prefixes(&bytes).map_err(|why| damaged(&path.join(OPTIMIZER), why))? {
                let vector = flat(OPTIMIZER, &format!("{name}/"), &bytes)?;
                optimizer.insert(name, vector);
            }
        }
        Ok(Self {
            state,
            parameters,
            optimizer,
            target,
            observations,
        })
    }

    /// What its state says, of a directory whose other files are not looked at.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read_state(path: &Path) -> Result<CheckpointState, CheckpointError> {
        let path = path.join(STATE);
        parse_json(&path, &read(&path)?)
    }
}

/// Each tensor of a flat vector by its prefixed name.
fn named<'a>(
    layout: &'a Layout,
    prefix: &str,
    flat: &'a [f32],
) -> Vec<(String, &'a [usize], Vec<u8>)> {
    layout
        .ranges()
        .map(|(tensor, range)| {
            let bytes = flat[range]
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (
                format!("{prefix}{}", tensor.name),
                tensor.shape.as_slice(),
                bytes,
            )
        })
        .collect()
}

fn serialize(
    tensors: &[(String, &[usize], Vec<u8>)],
    path: &Path,
) -> Result<Vec<u8>, CheckpointError> {
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, bytes) in tensors {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
        views.push((
            name.as_str(),
            view.map_err(|error| damaged(path, error.to_string()))?,
        ));
    }
    safetensors::serialize(views, None).map_err(|error| damaged(path, error.to_string()))
}

/// The flat vector behind the tensors whose names start with `prefix`.
fn flatten(layout: &Layout, prefix: &str, bytes: &[u8]) -> Result<Vec<f32>, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    // The file is what it is made of, whatever the layout says that there should be.
    let mut flat = Vec::with_capacity(layout.len().min(bytes.len() / size_of::<f32>()));
    for spec in layout.tensors() {
        let name = format!("{prefix}{}", spec.name);
        let tensor = tensors
            .tensor(&name)
            .map_err(|error| format!("tensor `{name}`: {error}"))?;
        if tensor.shape() != spec.shape || tensor.dtype() != Dtype::F32 {
            return Err(format!(
                "tensor `{name}` is {:?} {:?}; expected F32 {:?}",
                tensor.dtype(),
                tensor.shape(),
                spec.shape
            ));
        }
        flat.extend(
            tensor
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|quad| f32::from_le_bytes(*quad)),
        );
    }
    Ok(flat)
}

/// What stands before the first `/` of the tensors' names.
fn prefixes(bytes: &[u8]) -> Result<std::collections::BTreeSet<String>, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    Ok(tensors
        .names()
        .iter()
        .filter_map(|name| name.split_once('/'))
        .map(|(prefix, _)| prefix.to_owned())
        .collect())
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn json<T: Serialize>(value: &T, path: &Path) -> Result<Vec<u8>, CheckpointError> {
    serde_json::to_vec_pretty(value).map_err(|error| damaged(path, error.to_string()))
}

fn parse_json<T: for<'de> Deserialize<'de>>(
    path: &Path,
    bytes: &[u8],
) -> Result<T, CheckpointError> {
    serde_json::from_slice(bytes).map_err(|error| damaged(path, error.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(io_error(path))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_error(path))
}

pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    move |source| CheckpointError::Io {
        path: path.into(),
        source,
    }
}

fn damaged(path: &Path, why: String) -> CheckpointError {
    CheckpointError::Damaged {
        path: path.into(),
        why,
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
pub(crate) mod tests;
