//! What somebody in a maze sees.

use super::plan::STEPS;
use super::wanderer::Wanderer;

/// Pixels of a tile's side, and tiles of a view's.
const TILE: usize = 12;
const TILES: usize = 7;

/// Pixels of a view's side.
pub(super) const SIDE: usize = TILE * TILES;

/// Where the agent stands in its view: the middle column, one row from below.
const ACROSS: i32 = 3;
const DOWN: i32 = 5;

/// Shades of grey.
pub(super) const WALL: u8 = 80;
pub(super) const FLOOR: u8 = 0;
pub(super) const AGENT: u8 = 120;
pub(super) const APPLE: u8 = 180;
pub(super) const PORTAL: u8 = 255;

/// Draws it, `[84, 84]`: each thing as a square in its tile, of a shade and a size of its own.
pub(super) fn draw(wanderer: &Wanderer, pixels: &mut [u8]) {
    for down in 0..TILES {
        for across in 0..TILES {
            let (shade, inset) = tile(wanderer, across as i32 - ACROSS, DOWN - down as i32);
            let ground = if shade == WALL { WALL } else { FLOOR };
            fill(pixels, (across, down), 0, ground);
            fill(pixels, (across, down), inset, shade);
        }
    }
}

/// The shade of what is so far to the right and ahead, and how far from its tile's edge it begins.
fn tile(wanderer: &Wanderer, right: i32, ahead: i32) -> (u8, usize) {
    let (ahead_x, ahead_y) = STEPS[wanderer.heading];
    let (right_x, right_y) = STEPS[(wanderer.heading + 1) % STEPS.len()];
    let place = (
        wanderer.place.0 + ahead * ahead_x + right * right_x,
        wanderer.place.1 + ahead * ahead_y + right * right_y,
    );
    if (right, ahead) == (0, 0) {
        (AGENT, 3)
    } else if wanderer.plan.is_wall(place) {
        (WALL, 0)
    } else if place == wanderer.portal {
        (PORTAL, 1)
    } else if wanderer.left.contains(&place) {
        (APPLE, 4)
    } else {
        (FLOOR, 0)
    }
}

fn fill(pixels: &mut [u8], (across, down): (usize, usize), inset: usize, shade: u8) {
    for y in down * TILE + inset..(down + 1) * TILE - inset {
        let start = y * SIDE + across * TILE;
        pixels[start + inset..start + TILE - inset].fill(shade);
    }
}

/// The shade in the middle of the tile so far to the right and ahead.
#[cfg(test)]
pub(super) fn seen(pixels: &[u8], right: i32, ahead: i32) -> u8 {
    let middle = |tile: i32| tile as usize * TILE + TILE / 2;
    pixels[middle(DOWN - ahead) * SIDE + middle(ACROSS + right)]
}
