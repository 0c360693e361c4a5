//! The environments that Troop has in Rust.

use troop_common::experiment::{EnvironmentSettings, Host};

use super::cartpole::CartPole;
use super::classic::{Acrobot, MountainCar, MountainCarContinuous, Pendulum};
use super::error::EnvironmentError;
use super::independent::{Dynamics, Independent};
use super::maze::Maze;
use super::t_maze::TMaze;
use super::vector_environment::VectorEnvironment;

/// What a native environment is made from: how many of them, and `[environment.kwargs]`.
type Make = fn(usize, &toml::Table) -> Result<Box<dyn VectorEnvironment>, String>;

/// One of them.
struct Native {
    id: &'static str,
    /// Whether Gymnasium has it too, and takes what this one does not.
    in_gymnasium: bool,
    make: Make,
}

const ALL: [Native; 7] = [
    Native {
        id: CartPole::ID,
        in_gymnasium: true,
        make: |count, keywords| {
            without_keywords(CartPole::ID, keywords)?;
            Ok(Box::new(CartPole::new(count)))
        },
    },
    of_gymnasium::<Acrobot>(),
    of_gymnasium::<MountainCar>(),
    of_gymnasium::<MountainCarContinuous>(),
    of_gymnasium::<Pendulum>(),
    Native {
        id: TMaze::ID,
        in_gymnasium: false,
        make: |count, keywords| {
            let maze = TMaze::from_keywords(keywords)?;
            Ok(Box::new(Independent::new(count, maze)))
        },
    },
    Native {
        id: Maze::ID,
        in_gymnasium: false,
        make: |count, keywords| {
            let maze = Maze::from_keywords(keywords)?;
            Ok(Box::new(Independent::new(count, maze)))
        },
    },
];

/// One that Gymnasium has too, and that takes no keywords here.
const fn of_gymnasium<D: Dynamics + Default + 'static>() -> Native {
    Native {
        id: D::ID,
        in_gymnasium: true,
        make: |count, keywords| {
            without_keywords(D::ID, keywords)?;
            Ok(Box::new(Independent::new(count, D::default())))
        },
    }
}

fn without_keywords(id: &str, keywords: &toml::Table) -> Result<(), String> {
    match keywords.is_empty() {
        true => Ok(()),
        false => Err(format!("`{id}` takes no environment.kwargs there")),
    }
}

/// The environments that `settings` name, where Rust has them and is to step them.
///
/// # Errors
/// If only Rust could step them, and cannot; says what to change.
pub(super) fn make(
    settings: &EnvironmentSettings,
) -> Result<Option<Box<dyn VectorEnvironment>>, EnvironmentError> {
    if settings.host == Host::Gymnasium {
        return Ok(None);
    }
    let native = ALL.iter().find(|native| native.id == settings.id);
    let made = match native {
        Some(_) if !settings.wrappers.is_empty() => Err(format!(
            "`{}` takes no environment.wrappers there",
            settings.id
        )),
        Some(native) => (native.make)(settings.envs_per_worker, &settings.kwargs),
        None => Err(format!(
            "`{}` is not native, only {} are",
            settings.id,
            ALL.map(|native| format!("`{}`", native.id)).join(", ")
        )),
    };
    match made {
        Ok(environment) => Ok(Some(environment)),
        Err(obstacle) if settings.host == Host::Native => Err(EnvironmentError::Fatal(format!(
            "environment.host is `native`, but {obstacle}; set environment.host to `auto`",
        ))),
        Err(obstacle) if native.is_some_and(|native| !native.in_gymnasium) => {
            Err(EnvironmentError::Fatal(obstacle))
        }
        Err(_) => Ok(None),
    }
}
