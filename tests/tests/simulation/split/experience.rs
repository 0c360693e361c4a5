use std::collections::{BTreeMap, BTreeSet};

use troop_common::experience::End;

/// A step that somebody took. An observation shows all four numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    /// Of the worker: no other has it.
    pub(super) life: u32,
    pub(super) environment: u32,
    pub(super) episode: u32,
    /// Within the episode.
    pub(super) number: u32,
}

/// An episode of an environment of a life.
type Episode = (u32, u32, u32);

impl Step {
    /// What is shown before it.
    pub(super) fn observation(self) -> [f32; 4] {
        [self.life, self.environment, self.episode, self.number].map(|number| number as f32)
    }

    /// The one before which `observation` is shown.
    pub(super) fn of(observation: &[f32]) -> Self {
        let number = |place: usize| observation[place] as u32;
        Self {
            life: number(0),
            environment: number(1),
            episode: number(2),
            number: number(3),
        }
    }

    pub(super) fn action(self) -> i64 {
        i64::from((self.life + self.environment + self.episode + self.number) % 3)
    }

    pub(super) fn reward(self) -> f32 {
        ((self.episode + self.number) % 4) as f32
    }

    /// The next one of its episode.
    pub(super) fn next(self) -> Self {
        Self {
            number: self.number + 1,
            ..self
        }
    }

    /// The first of the next episode.
    pub(super) fn after_its_end(self) -> Self {
        Self {
            episode: self.episode + 1,
            number: 0,
            ..self
        }
    }

    fn episode(self) -> Episode {
        (self.life, self.environment, self.episode)
    }
}

/// All that was lived through, and what was learnt from.
#[derive(Default)]
pub(super) struct Experience {
    /// Steps of each episode.
    taken: BTreeMap<Episode, u32>,
    /// The last step of each that has ended by itself, and how.
    ends: BTreeMap<Episode, (u32, End)>,
    /// Steps of items that are drawn once.
    learnt: BTreeSet<Step>,
}

impl Experience {
    /// A step was taken.
    pub(super) fn take(&mut self, step: Step, end: End) {
        self.taken.insert(step.episode(), step.number + 1);
        if end != End::Continues {
            self.ends.insert(step.episode(), (step.number, end));
        }
    }

    /// How a step ended, which somebody must have taken.
    pub(super) fn end_of(&self, step: Step) -> Result<End, String> {
        let taken = self.taken.get(&step.episode()).copied().unwrap_or(0);
        if step.number >= taken {
            return Err(format!("nobody has taken {step:?}"));
        }
        let end = self.ends.get(&step.episode());
        let end = end.filter(|(last, _)| *last == step.number);
        Ok(end.map_or(End::Continues, |(_, end)| *end))
    }

    /// A step was learnt from that is to be learnt from once.
    pub(super) fn learn_once(&mut self, step: Step) -> Result<(), String> {
        match self.learnt.insert(step) {
            true => Ok(()),
            false => Err(format!("{step:?} was drawn twice")),
        }
    }
}
