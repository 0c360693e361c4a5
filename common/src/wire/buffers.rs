use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytemuck::Zeroable;

/// Buffers that are lent and come back when the last part of them is dropped: a fresh one costs a
/// page fault for every 4 KiB when it is first written.
#[derive(Clone, Debug)]
pub struct Buffers<T>(Spare<T>);

type Spare<T> = Arc<Mutex<Vec<Vec<T>>>>;

impl<T> Default for Buffers<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Zeroable + Clone> Buffers<T> {
    /// A buffer with any values: one that has come back, or else a new one.
    pub fn take(&self, len: usize) -> Vec<T> {
        let mut buffer = lock(&self.0).pop().unwrap_or_default();
        buffer.resize(len, T::zeroed());
        buffer
    }

    /// `buffer`, to be read; it comes back here when this is dropped.
    pub fn lend(&self, buffer: Vec<T>) -> Lent<T> {
        Lent {
            buffer,
            home: Arc::clone(&self.0),
        }
    }
}

/// A buffer that goes back when it is dropped.
#[derive(Debug)]
pub struct Lent<T> {
    buffer: Vec<T>,
    home: Spare<T>,
}

impl<T> AsRef<[T]> for Lent<T> {
    fn as_ref(&self) -> &[T] {
        &self.buffer
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        lock(&self.home).push(std::mem::take(&mut self.buffer));
    }
}

fn lock<T>(spare: &Spare<T>) -> MutexGuard<'_, Vec<Vec<T>>> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::Elements;

    #[test]
    fn what_was_lent_comes_back_with_its_memory_once_nobody_reads_it() {
        let buffers = Buffers::default();
        let values = vec![1.0, 2.0];
        let address = values.as_ptr();
        let elements = Elements::of(buffers.lend(values));
        let copy = elements.clone();
        drop(elements);
        assert_eq!(buffers.take(2), [0.0, 0.0], "a copy reads it still");
        drop(copy);
        let back = buffers.take(2);
        assert_eq!((back.as_ptr(), &back[..]), (address, &[1.0, 2.0][..]));
    }

    #[test]
    fn parts_of_bytes_hold_the_buffer_too() {
        let buffers = Buffers::<u8>::default();
        let part = Bytes::from_owner(buffers.lend(vec![7; 10])).slice(3..4);
        assert_eq!(buffers.take(1), [0]);
        drop(part);
        assert_eq!(buffers.take(2), [7, 7]);
    }
}
