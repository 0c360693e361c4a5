//! The parameters and the optimiser's state, in stripes with a lock each.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use troop_common::wire::Elements;

use crate::optimizer::{Rule, Step, Vectors};

/// A stripe of a small vector has at least so many elements: to find another applier in it and to
/// park costs more than to step through it.
const MIN_STRIPE_ELEMENTS: usize = 16 * 1024;

struct Stripe {
    start: usize,
    vectors: Vectors,
}

/// One flat vector, divided into stripes. Appliers start at different stripes and come back to
/// those that are busy, so that several gradients are applied at once: consistent within a stripe,
/// Hogwild!-like across stripes.
pub struct StripedParameters {
    rule: Rule,
    /// Vectors of state beside the parameters.
    kept: usize,
    len: usize,
    stripes: Vec<Mutex<Stripe>>,
    tickets: AtomicU64,
}

impl StripedParameters {
    /// `state` is empty for a fresh start, or has one vector for each of the rule's names. There
    /// are at most `stripes` stripes, fewer if they would be small.
    pub fn new(rule: Rule, parameters: &[f32], state: &[Vec<f32>], stripes: usize) -> Self {
        Self::keeping(rule.state_names().len(), rule, parameters, state, stripes)
    }

    /// The same with `kept` vectors of state, those of the rule first.
    pub(crate) fn keeping(
        kept: usize,
        rule: Rule,
        parameters: &[f32],
        state: &[Vec<f32>],
        stripes: usize,
    ) -> Self {
        let size = parameters.len().div_ceil(stripes.max(1));
        let size = size.max(MIN_STRIPE_ELEMENTS);
        Self::in_stripes_of(size, kept, rule, parameters, state)
    }

    fn in_stripes_of(
        size: usize,
        kept: usize,
        rule: Rule,
        parameters: &[f32],
        state: &[Vec<f32>],
    ) -> Self {
        let len = parameters.len();
        // Copied, so that the first applier finds memory that is there: the system gives zeros
        // page by page, when they are first touched.
        let zeros = vec![0.0; size.min(len)];
        let stripe = |start: usize| {
            let range = start..(start + size).min(len);
            let part = |index: usize| match state.get(index) {
                Some(vector) => vector[range.clone()].to_vec(),
                None => zeros[..range.len()].to_vec(),
            };
            Mutex::new(Stripe {
                start,
                vectors: Vectors {
                    parameters: parameters[range.clone()].to_vec(),
                    state: (0..kept).map(part).collect(),
                },
            })
        };
        Self {
            rule,
            kept,
            len,
            stripes: (0..len).step_by(size).map(stripe).collect(),
            tickets: AtomicU64::new(0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes a step along `gradient`, `dL/dθ` of the parameters' length.
    pub fn apply(&self, gradient: &Elements, step: &Step<'_>) {
        let (head, tail) = self.stripes.split_at(self.first_stripe());
        let mut busy = Vec::new();
        for stripe in tail.iter().chain(head) {
            match stripe.try_lock() {
                Ok(mut stripe) => stripe.apply(self.rule, gradient, step),
                Err(TryLockError::Poisoned(held)) => {
                    held.into_inner().apply(self.rule, gradient, step);
                }
                Err(TryLockError::WouldBlock) => busy.push(stripe),
            }
        }
        for stripe in busy {
            lock(stripe).apply(self.rule, gradient, step);
        }
    }

    /// Spreads the starts of appliers that follow each other as far as it goes: multiples of the
    /// golden ratio, modulo 1, in units of the whole.
    fn first_stripe(&self) -> usize {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let fraction = u128::from(ticket.wrapping_mul(GOLDEN));
        ((fraction * self.stripes.len() as u128) >> 64) as usize
    }

    /// Copies the parameters into `into`, which has their length.
    pub fn read(&self, into: &mut [f32]) {
        for stripe in &self.stripes {
            let stripe = lock(stripe);
            into[stripe.range()].copy_from_slice(&stripe.vectors.parameters);
        }
    }

    /// Copies parameters and state together, stripe by stripe.
    pub(crate) fn copy(&self) -> Vectors {
        let mut copy = Vectors {
            parameters: Vec::with_capacity(self.len),
            state: vec![Vec::with_capacity(self.len); self.kept],
        };
        for stripe in &self.stripes {
            let Stripe { vectors, .. } = &*lock(stripe);
            copy.parameters.extend_from_slice(&vectors.parameters);
            copy.state
                .iter_mut()
                .zip(&vectors.state)
                .for_each(|(all, part)| all.extend_from_slice(part));
        }
        copy
    }
}

impl Stripe {
    /// The parameters that it holds.
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.vectors.parameters.len()
    }

    fn apply(&mut self, rule: Rule, gradient: &Elements, step: &Step<'_>) {
        for (start, run) in gradient.runs(self.range()) {
            let end = start + run.len();
            let part = step.part(start..end);
            let at = start - self.start..end - self.start;
            rule.step(&mut self.vectors, at, run, &part);
        }
    }
}

/// A stripe holds plain numbers: a panic elsewhere cannot leave them half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use troop_common::experiment::{Optimizer, OptimizerSettings};
    use troop_common::proto::v1::Encoding;
    use troop_common::wire::{self, Gathering, Place, Rope};

    use super::*;
    use crate::optimizer::Compensation;

    fn rules() -> [Rule; 5] {
        [
            Optimizer::Sgd,
            Optimizer::Momentum,
            Optimizer::Rmsprop,
            Optimizer::Adagrad,
            Optimizer::Adam,
        ]
        .map(|name| {
            Rule::new(&OptimizerSettings {
                name,
                ..OptimizerSettings::default()
            })
        })
    }

    fn in_stripes_of(
        size: usize,
        rule: Rule,
        parameters: &[f32],
        state: &[Vec<f32>],
    ) -> StripedParameters {
        let kept = rule.state_names().len();
        StripedParameters::in_stripes_of(size, kept, rule, parameters, state)
    }

    fn start(len: usize) -> Vec<f32> {
        (0..len).map(|i| i as f32 / 7.0).collect()
    }

    fn gradient(len: usize, k: u64) -> Elements {
        (0..len as u64)
            .map(|i| ((i * 31 + k * 17) % 13) as f32 - 6.0)
            .collect::<Vec<f32>>()
            .into()
    }

    fn step(number: u64) -> Step<'static> {
        Step {
            scale: 0.5,
            rate: 0.1,
            number,
            compensation: None,
        }
    }

    #[test]
    fn striping_changes_nothing_for_a_single_applier() {
        let len = 23;
        let computed_on = vec![0.5; len];
        for (rule, size) in rules()
            .into_iter()
            .flat_map(|r| [1, 7, 16, 23].map(|s| (r, s)))
        {
            let striped = in_stripes_of(size, rule, &start(len), &[]);
            let mut plain = Vectors {
                parameters: start(len),
                state: vec![vec![0.0; len]; rule.state_names().len()],
            };
            for k in 1..50 {
                let gradient = gradient(len, k);
                let step = Step {
                    compensation: k.is_multiple_of(2).then_some(Compensation {
                        lambda: 0.04,
                        decay: None,
                        computed_on: &computed_on,
                    }),
                    ..step(k)
                };
                striped.apply(&gradient, &step);
                let [(0, whole)] = gradient.runs(0..len).collect::<Vec<_>>()[..] else {
                    panic!("{gradient:?} is not one piece")
                };
                rule.step(&mut plain, 0..len, whole, &step);
            }
            assert_eq!(striped.copy(), plain, "{rule:?} in stripes of {size}");
            let mut read = vec![0.0; len];
            striped.read(&mut read);
            assert_eq!(read, plain.parameters);
        }
    }

    /// The gradient as it comes from a network that cuts it wherever it likes.
    fn received(gradient: &Elements, encoding: Encoding, piece: usize) -> Elements {
        let mut values = vec![0.0; gradient.len()];
        gradient.read(&mut values);
        let mut rope = Rope::default();
        let chunk = wire::encode(&values, encoding).remove(0).data;
        for start in (0..chunk.len()).step_by(piece) {
            rope.push(chunk.slice(start..chunk.len().min(start + piece)));
        }
        let place = Place {
            offset_elements: 0,
            total_elements: values.len() as u64,
            encoding: encoding.into(),
        };
        let gathered = Gathering::default().accept(values.len(), place, rope, |_| {});
        gathered.unwrap().unwrap()
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_a_gradient_came() {
        let len = 20_000;
        for (rule, encoding) in rules()
            .into_iter()
            .flat_map(|rule| [Encoding::F32, Encoding::Bf16].map(|encoding| (rule, encoding)))
        {
            let [whole, cut] = [(); 2].map(|()| in_stripes_of(7_000, rule, &start(len), &[]));
            for k in 1..4 {
                let gradient = gradient(len, k);
                whole.apply(&gradient, &step(k));
                cut.apply(&received(&gradient, encoding, 9_001), &step(k));
            }
            assert_eq!(whole.copy(), cut.copy(), "{rule:?}, {encoding:?}");
        }
    }

    #[test]
    fn state_survives_a_restart() {
        for rule in rules() {
            let first = in_stripes_of(4, rule, &start(10), &[]);
            first.apply(&gradient(10, 1), &step(1));
            let copy = first.copy();
            let second = in_stripes_of(3, rule, &copy.parameters, &copy.state);
            first.apply(&gradient(10, 2), &step(2));
            second.apply(&gradient(10, 2), &step(2));
            assert_eq!(first.copy(), second.copy(), "{rule:?}");
        }
    }

    #[test]
    fn concurrent_appliers_lose_no_step() {
        let shared = in_stripes_of(8, Rule::Sgd, &[0.0; 64], &[]);
        let one = Step {
            scale: 1.0,
            rate: 1.0,
            ..step(1)
        };
        let ones = Elements::from(vec![1.0; 64]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| shared.apply(&ones, &one)));
            }
        });
        assert!(shared.copy().parameters.iter().all(|p| *p == -4000.0));
    }

    #[test]
    fn an_applier_comes_back_to_a_busy_stripe() {
        let shared = in_stripes_of(1, Rule::Sgd, &[0.0; 4], &[]);
        let gradient = Elements::from(vec![1.0; 4]);
        let limit = Instant::now() + Duration::from_secs(10);
        std::thread::scope(|scope| {
            // The first applier starts here.
            let busy = lock(&shared.stripes[0]);
            let applier = scope.spawn(|| shared.apply(&gradient, &step(1)));
            while lock(&shared.stripes[3]).vectors.parameters == [0.0] {
                assert!(
                    Instant::now() < limit,
                    "the applier waits for the busy stripe"
                );
                std::thread::yield_now();
            }
            assert_eq!(busy.vectors.parameters, [0.0]);
            assert!(!applier.is_finished());
            drop(busy);
        });
        assert_eq!(shared.copy().parameters, [-0.05; 4]);
    }

    #[test]
    fn appliers_that_follow_each_other_start_far_apart() {
        let shared = in_stripes_of(1, Rule::Sgd, &[0.0; 16], &[]);
        let starts: Vec<usize> = (0..100).map(|_| shared.first_stripe()).collect();
        for pair in starts.windows(2) {
            let distance = pair[0].abs_diff(pair[1]);
            assert!((5..=11).contains(&distance), "{starts:?}");
        }
        assert!((0..16).all(|stripe| starts.contains(&stripe)));
    }

    #[test]
    fn stripes_of_small_vectors_are_few() {
        let stripes = |len, most| {
            let parameters = StripedParameters::new(Rule::Sgd, &vec![0.0; len], &[], most);
            assert_eq!(parameters.copy().parameters.len(), len);
            parameters.stripes.len()
        };
        assert_eq!(stripes(0, 16), 0);
        assert_eq!(stripes(10_000, 16), 1);
        assert_eq!(stripes(3 * MIN_STRIPE_ELEMENTS, 16), 3);
        assert_eq!(stripes(100 * MIN_STRIPE_ELEMENTS, 16), 16);
        assert_eq!(stripes(100 * MIN_STRIPE_ELEMENTS, 1), 1);
    }
}
