//! How long a campaign is, and where its random numbers come from.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Where the short form's random numbers come from.
const SHORT: u64 = 1;

/// Runs a campaign for each seed that is asked for, and says which one it is.
pub(crate) fn each_seed(campaign: &str, run: impl Fn(&mut ChaCha8Rng)) {
    let only = variable("TROOP_CAMPAIGN_SEED");
    let first = only.unwrap_or(SHORT);
    let count = only.map_or(variable("TROOP_CAMPAIGN_SEEDS").unwrap_or(1), |_| 1);
    for seed in first..first + count {
        println!("{campaign}: TROOP_CAMPAIGN_SEED={seed} repeats this one");
        run(&mut ChaCha8Rng::seed_from_u64(seed));
    }
}

/// Whether more than the short form is asked for.
pub(crate) fn is_long() -> bool {
    variable("TROOP_CAMPAIGN_SEEDS").is_some()
}

/// A number out of the environment.
pub(crate) fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is `{text}`; expected a number")))
}
