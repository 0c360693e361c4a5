//! Items by number, and the ways to draw them.

mod items;
mod priorities;
mod sum_tree;
mod table;
mod way;

pub use sum_tree::SumTree;
pub(crate) use table::{Evicted, Noted, Table};
pub(crate) use way::{Picked, Way};
