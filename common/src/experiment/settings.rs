/// A key, as its section declares it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Its name in its section.
    pub(super) name: &'static str,
    /// What its value is counted in; may be empty.
    pub(super) unit: &'static str,
    /// What it does, in Markdown, as its comment says it.
    pub(super) meaning: &'static str,
    /// What values it takes, in Markdown; none for a section of keys.
    pub(super) kind: fn() -> Option<String>,
}

/// Declares a section of an experiment, each of its keys once: its field, its default, and its row in
/// docs/configuration.md, whose text is the field's comment.
///
/// ```text
/// settings! {
///     /// `[oven]`: what bakes.
///     pub struct OvenSettings {
///         /// How hot it is; the default is for rye
///         #[unit = "°C"]
///         pub temperature_c: u64 = 250,
///     }
/// }
/// ```
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        pub struct $Settings:ident {
            $(
                $(#[doc = $meaning:literal])+
                $(#[unit = $unit:literal])?
                $(#[serde($($serde:tt)*)])?
                pub $key:ident: $Value:ty = $default:expr,
            )+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default)]
        pub struct $Settings {
            $(
                $(#[doc = $meaning])+
                $(#[serde($($serde)*)])?
                pub $key: $Value,
            )+
        }

        impl Default for $Settings {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl $Settings {
            /// Its keys, as they are declared.
            pub(super) const KEYS: &'static [$crate::experiment::settings::Key] = &[
                $($crate::experiment::settings::Key {
                    name: stringify!($key),
                    unit: concat!($($unit)?),
                    meaning: concat!($($meaning),+),
                    kind: $crate::experiment::value_kind::kind_of::<$Value>,
                },)+
            ];
        }
    };
}

pub(super) use settings;
