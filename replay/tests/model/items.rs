use std::collections::HashMap;
use std::ops::Range;

use troop_common::experience::End;
use troop_replay::ItemKind;

use super::lives::{Life, Lives};

/// An item by its definition.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Which life it is of.
    pub(crate) life: usize,
    /// Which step of that it begins with.
    pub(crate) start: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Transition {
        reward: f32,
        discount: f32,
        /// Absent where the episode terminated.
        next: Option<u64>,
        /// By the values that the actor had.
        td_error: f32,
    },
    Stretch {
        len: usize,
        burn_in: usize,
        /// Cut short by an interruption: its last step counts as truncated.
        cut_off: bool,
    },
}

/// All items that are complete, by the observation that each begins with. With `actor_errors` a transition is not before
/// the value behind it is known.
pub(crate) fn expected(lives: &Lives, kind: &ItemKind, actor_errors: bool) -> HashMap<u64, Item> {
    let mut all = HashMap::new();
    for (number, life) in lives.all.iter().enumerate() {
        let add = |start: usize, what| {
            let item = Item {
                life: number,
                start,
                what,
            };
            all.insert(life.steps[start].observation, item);
        };
        match *kind {
            ItemKind::Transitions { n_step, discount } => {
                transitions(life, n_step, discount, actor_errors, add);
            }
            ItemKind::Unrolls { env_steps } => unrolls(life, env_steps, add),
            ItemKind::Sequences {
                env_steps,
                overlap,
                burn_in,
            } => sequences(life, [env_steps, overlap, burn_in], add),
        }
    }
    all
}

fn transitions(
    life: &Life,
    n: usize,
    gamma: f32,
    actor_errors: bool,
    mut add: impl FnMut(usize, What),
) {
    for (t, first) in life.steps.iter().enumerate() {
        let (mut reward, mut discount) = (0.0, 1.0);
        for (k, step) in life.steps[t..].iter().take(n).enumerate() {
            reward += discount * step.reward;
            discount *= gamma;
            let v_after = life.steps.get(t + k + 1).map(|step| step.behaviour[1]);
            let (discount, next, v) = match step.end {
                End::Terminated | End::LifeLost => (0.0, None, 0.0),
                End::Truncated => (discount, Some(step.next), step.behaviour[1]),
                End::Continues if k + 1 < n => continue,
                End::Continues if actor_errors && v_after.is_none() && !life.over => break,
                End::Continues => {
                    let v = v_after.unwrap_or(step.behaviour[1]);
                    (discount, Some(step.next), v)
                }
            };
            let what = What::Transition {
                reward,
                discount,
                next,
                td_error: reward + discount * v - first.behaviour[0],
            };
            add(t, what);
            break;
        }
    }
}

fn unrolls(life: &Life, len: usize, mut add: impl FnMut(usize, What)) {
    for (i, steps) in life.steps.chunks(len).enumerate() {
        let whole = steps.len() == len;
        if whole || life.over {
            let goes_on = steps[steps.len() - 1].end == End::Continues;
            let what = What::Stretch {
                len: steps.len(),
                burn_in: 0,
                cut_off: !whole && goes_on,
            };
            add(i * len, what);
        }
    }
}

fn sequences(life: &Life, numbers: [usize; 3], mut add: impl FnMut(usize, What)) {
    let mut begin = 0;
    for i in 0..life.steps.len() {
        let ends = life.steps[i].end != End::Continues;
        if ends || i + 1 == life.steps.len() {
            episode(begin..i + 1, ends, life.over, numbers, &mut add);
            begin = i + 1;
        }
    }
}

fn episode(
    steps: Range<usize>,
    ends: bool,
    over: bool,
    [len, overlap, burn_in]: [usize; 3],
    add: &mut impl FnMut(usize, What),
) {
    let mut covered = steps.start;
    for start in steps.clone().step_by(len - overlap) {
        let end = (start + len).min(steps.end);
        let whole = end - start == len;
        if covered < end && (whole || ends || over) {
            let what = What::Stretch {
                len: end - start,
                burn_in: if start == steps.start { 0 } else { burn_in },
                cut_off: !whole && !ends,
            };
            add(start, what);
            covered = end;
        }
    }
}
