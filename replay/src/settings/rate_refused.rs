/// Limits between which nobody could go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RateRefused {
    /// σ is no rate.
    #[error(
        "samples_per_insert is {found}: it has to be above 0, e.g. 1 to draw each env step once on average"
    )]
    Ratio {
        /// What was given.
        found: f64,
    },
    /// One portion would leave the band.
    #[error(
        "a band of {found} env steps around samples_per_insert = {ratio} is too narrow: one append adds up to {append} env steps and one draw \
         takes up to {draw}; set the band to {needed} or more, or make unrolls or batches smaller"
    )]
    Band {
        /// The band.
        found: f64,
        /// σ.
        ratio: f64,
        /// Env steps of the largest append.
        append: u64,
        /// Env steps of the largest draw.
        draw: u64,
        /// The narrowest band with which it works.
        needed: f64,
    },
    /// The queue holds less than a draw takes, beside what one append adds.
    #[error(
        "a queue of {found} items is too short: a draw takes up to {draw} and an append adds up to {append}; set it to {needed} or more, or \
         make batches smaller"
    )]
    Queue {
        /// Items that it holds.
        found: u64,
        /// Items of the largest append.
        append: u64,
        /// Items of the largest draw.
        draw: u64,
        /// The shortest queue with which it works.
        needed: u64,
    },
}
