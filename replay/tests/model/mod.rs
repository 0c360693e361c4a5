//! A slow replay: everything that was ever lived through, from which items are worked out by their definitions.

mod items;
mod lives;

pub(crate) use items::{Item, What, expected};
pub(crate) use lives::{Environment, Lived, Lives, STACK, STATE, number, spaces};
