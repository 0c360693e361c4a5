//! One Python process with environments in it.

use std::io::{self, ErrorKind};
use std::time::Instant;

use troop_common::experiment::EnvironmentSettings;
use troop_common::spaces::Spaces;

use super::arrays::{ArrayLayout, SharedArrays};
use super::child::RunningChild;
use super::error::Error;
use super::failure::{Phase, explain};
use super::handshake::{Memory, Offer, PROTOCOL, Ready, Request, check_kwargs};

const RESET: u8 = b'R';
const STEP: u8 = b'S';

/// A host that has started, with the memory it shares.
pub(super) struct HostProcess {
    child: RunningChild,
    /// What the environments show and accept.
    pub(super) spaces: Spaces,
    /// Emulator ticks an env step.
    pub(super) frame_skip: u32,
    /// Observations, actions and the rest.
    pub(super) arrays: SharedArrays,
    /// The first reset may load as much as a start does.
    was_reset: bool,
}

impl HostProcess {
    /// Starts a host and waits until its environments are made.
    ///
    /// # Errors
    /// What went wrong and what to do about it, for a person.
    pub(super) fn start(settings: &EnvironmentSettings) -> Result<Self, String> {
        check_kwargs(settings)?;
        let deadline = Instant::now() + Phase::Start.limit(settings);
        let mut child = RunningChild::spawn(settings)?;
        let result = Self::shake_hands(&mut child, settings, deadline);
        let (spaces, frame_skip, arrays) =
            result.map_err(|error| explain(&mut child, error, Phase::Start, settings))?;
        Ok(Self {
            child,
            spaces,
            frame_skip,
            arrays,
            was_reset: false,
        })
    }

    fn shake_hands(
        child: &mut RunningChild,
        settings: &EnvironmentSettings,
        deadline: Instant,
    ) -> Result<(Spaces, u32, SharedArrays), Error> {
        child.channel.send_line(&Request {
            protocol: PROTOCOL,
            id: &settings.id,
            count: settings.envs_per_worker,
            kwargs: &settings.kwargs,
            wrappers: &settings.wrappers,
            imports: &settings.imports,
            atari: &settings.atari,
        })?;
        let offer: Offer = child.receive_message(deadline)?;
        let sizes = offer.check_sizes(settings.envs_per_worker);
        sizes.map_err(|why| io::Error::new(ErrorKind::InvalidData, why))?;
        let spaces = offer.spaces();
        let layout = ArrayLayout::new(&spaces, settings.envs_per_worker);
        offer.check(&layout)?;
        let named = layout.named();
        let (arrays, file) =
            SharedArrays::create(layout, spaces.observation.element).map_err(Error::Memory)?;
        child.channel.send_line(&Memory {
            path: file.path(),
            offsets: named
                .into_iter()
                .map(|(name, range)| (name, range.start))
                .collect(),
        })?;
        // Dropping the file takes its name away: nothing is left behind however either process ends.
        let _: Ready = child.receive_message(deadline)?;
        Ok((spaces, offer.frame_skip, arrays))
    }

    /// Starts new episodes.
    ///
    /// # Errors
    /// What went wrong, for a person; the host is dead then.
    pub(super) fn reset(
        &mut self,
        seed: u64,
        settings: &EnvironmentSettings,
    ) -> Result<(), String> {
        let mut command = [RESET; 9];
        command[1..].copy_from_slice(&seed.to_le_bytes());
        let phase = match std::mem::replace(&mut self.was_reset, true) {
            false => Phase::FirstReset,
            true => Phase::Step,
        };
        self.run(&command, phase, settings)
    }

    /// Takes the actions in shared memory.
    ///
    /// # Errors
    /// What went wrong, for a person; the host is dead then.
    pub(super) fn step(&mut self, settings: &EnvironmentSettings) -> Result<(), String> {
        self.run(&[STEP], Phase::Step, settings)
    }

    /// The process's id, while it runs.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    fn run(
        &mut self,
        command: &[u8],
        phase: Phase,
        settings: &EnvironmentSettings,
    ) -> Result<(), String> {
        let deadline = Instant::now() + phase.limit(settings);
        let result = self.child.run(command, deadline);
        result.map_err(|error| explain(&mut self.child, error, phase, settings))
    }
}

impl Offer {
    fn check(&self, layout: &ArrayLayout) -> Result<(), Error> {
        let expected = layout.named();
        let fits = expected.len() == self.arrays.len()
            && expected
                .iter()
                .all(|(name, range)| self.arrays.get(*name) == Some(&range.len()));
        if fits {
            return Ok(());
        }
        let message = format!(
            "arrays {:?} were offered, {expected:?} expected",
            self.arrays
        );
        Err(io::Error::new(ErrorKind::InvalidData, message).into())
    }
}
