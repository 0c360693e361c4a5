use troop_common::experience::{Actions, End, Observations};

use super::plan::STEPS;
use super::view::{AGENT, APPLE, PORTAL, WALL, seen};
use super::wanderer::{OF_APPLE, OF_PORTAL};
use super::*;
use crate::environment::{Independent, VectorEnvironment};

type Mazes = Independent<Maze>;

fn mazes(count: usize, text: &str) -> Mazes {
    let maze = Maze::from_keywords(&text.parse().unwrap()).unwrap();
    Independent::new(count, maze)
}

fn pixels(mazes: &Mazes) -> Vec<u8> {
    match mazes.last().observations {
        Observations::U8(pixels) => pixels.to_vec(),
        Observations::F32(_) => panic!("mazes show pixels"),
    }
}

fn step(mazes: &mut Mazes, action: i64) -> (f32, End) {
    mazes.step(&Actions::Discrete(vec![action])).unwrap();
    let last = mazes.last();
    (last.rewards[0], last.ends[0])
}

/// The first step of a shortest way to `goal`, as an action.
fn towards(wanderer: &Wanderer, goal: (i32, i32)) -> i64 {
    let mut steps_left = std::collections::BTreeMap::from([(goal, 0)]);
    let mut open = std::collections::VecDeque::from([goal]);
    while let Some((x, y)) = open.pop_front() {
        for (dx, dy) in STEPS {
            let next = (x + dx, y + dy);
            if !wanderer.plan.is_wall(next) && !steps_left.contains_key(&next) {
                steps_left.insert(next, steps_left[&(x, y)] + 1);
                open.push_back(next);
            }
        }
    }
    let (x, y) = wanderer.place;
    let ways = STEPS.map(|(dx, dy)| steps_left.get(&(x + dx, y + dy)).copied());
    let near = |way: &usize| ways[*way].unwrap_or(u32::MAX);
    let best = (0..STEPS.len()).min_by_key(near).unwrap();
    match (best + STEPS.len() - wanderer.heading) % STEPS.len() {
        0 => FORWARD,
        1 | 2 => RIGHT,
        _ => LEFT,
    }
}

#[test]
fn what_is_ahead_is_seen_and_walls_stop() {
    let mut mazes = mazes(1, "apples = 40");
    mazes.reset(3).unwrap();
    for turn in 0..400 {
        let before = mazes.state(0).clone();
        let view = pixels(&mazes);
        assert_eq!(seen(&view, 0, 0), AGENT);
        let ahead = seen(&view, 0, 1);
        let (reward, _) = step(
            &mut mazes,
            if turn % 3 == 2 { turn % 2 + 1 } else { FORWARD },
        );
        let after = mazes.state(0);
        if turn % 3 == 2 {
            assert_eq!((before.place, reward), (after.place, 0.0));
            assert_ne!(before.heading, after.heading);
        } else {
            let expected = match ahead {
                APPLE => OF_APPLE,
                PORTAL => OF_PORTAL,
                _ => 0.0,
            };
            assert_eq!(reward, expected, "step {turn}");
            assert_eq!(before.place == after.place, ahead == WALL, "step {turn}");
        }
    }
}

#[test]
fn a_turn_turns_what_is_seen() {
    let mut mazes = mazes(1, "");
    mazes.reset(8).unwrap();
    let ahead = pixels(&mazes);
    step(&mut mazes, RIGHT);
    let right = pixels(&mazes);
    for distance in 1..=3 {
        // What was to the right is ahead now.
        assert_eq!(seen(&ahead, distance, 0), seen(&right, 0, distance));
    }
    step(&mut mazes, LEFT);
    assert_eq!(pixels(&mazes), ahead);
}

#[test]
fn the_portal_pays_leads_elsewhere_and_brings_apples_back() {
    let mut mazes = mazes(1, "cells = 5\napples = 4");
    mazes.reset(1).unwrap();
    let (mut passages, mut arrivals, mut eaten) = (0, Vec::new(), 0.0);
    for _ in 0..EPISODE - 1 {
        let wanderer = mazes.state(0);
        let goal = *wanderer.left.first().unwrap_or(&wanderer.portal);
        let action = towards(wanderer, goal);
        let plan = wanderer.plan.clone();
        let (reward, end) = step(&mut mazes, action);
        let after = mazes.state(0);
        assert_eq!(
            (end, &after.plan),
            (End::Continues, &plan),
            "one maze an episode"
        );
        if reward == OF_PORTAL {
            passages += 1;
            arrivals.push(after.place);
            assert_eq!(after.left.len(), 4);
            assert_ne!(after.place, after.portal);
        } else {
            eaten += reward;
        }
    }
    arrivals.sort_unstable();
    arrivals.dedup();
    assert!(
        passages >= 5 && arrivals.len() >= 3,
        "{passages}, {arrivals:?}"
    );
    assert!(eaten > 20.0, "{eaten}");
}

#[test]
fn an_episode_takes_its_time_and_the_next_maze_is_another() {
    let mut mazes = mazes(1, "");
    mazes.reset(5).unwrap();
    let first = mazes.state(0).plan.clone();
    for _ in 1..EPISODE {
        assert_eq!(step(&mut mazes, LEFT).1, End::Continues);
    }
    assert_eq!(step(&mut mazes, LEFT).1, End::Truncated);
    assert_ne!(mazes.state(0).plan, first);
}

#[test]
fn seeds_repeat_and_environments_differ() {
    let shown = |seed| {
        let mut mazes = mazes(4, "");
        mazes.reset(seed).unwrap();
        for _ in 0..50 {
            mazes.step(&Actions::Discrete(vec![0, 1, 2, 0])).unwrap();
        }
        pixels(&mazes)
    };
    assert_eq!(shown(3), shown(3));
    assert_ne!(shown(3), shown(4));
    let one = SIDE * SIDE;
    let all = shown(3);
    assert_ne!(all[..one], all[one..2 * one]);
}

#[test]
fn keywords_that_cannot_be_are_refused() {
    let made = |text: &str| Maze::from_keywords(&text.parse().unwrap());
    assert_eq!(made("").unwrap().cells, 7);
    // There is room for fewer.
    let tiny = mazes(1, "cells = 2\napples = 1000");
    assert!(tiny.state(0).apples.len() < 9);
    for text in [
        "cells = 1",
        "cells = 51",
        "apples = 1001",
        "apples = -1",
        "size = 3",
    ] {
        let message = made(text).err().unwrap();
        assert!(message.contains("from 2 to 50"), "{message}");
    }
}
