use troop_common::experiment::MethodSettings;
use troop_common::with_methods;

use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::setting::Setting;

/// The parts of the method that the experiment names.
///
/// # Errors
/// If the method or the model cannot take the spaces.
pub fn make(setting: &mut Setting<'_>) -> Result<MethodParts, MethodError> {
    macro_rules! make {
        ($($(#[$doc:meta])* $method:ident($settings:ident) = $name:literal,)*) => {
            match &setting.experiment.method {
                $(MethodSettings::$method(settings) => super::$method::parts(settings, setting),)*
            }
        };
    }
    with_methods!(make)
}
