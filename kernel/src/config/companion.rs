//! Where cells run, as the command line and the environment say.

use crate::cli::EngineArgs;
use crate::place::{Place, PlaceError};

/// The variable that says where cells run: an address may hold a token, so no cell gets it.
pub const COMPANION: &str = "DATARUS_COMPANION";

/// The variable that has the token of a Jupyter Server where cells run. No cell gets it.
pub const COMPANION_TOKEN: &str = "DATARUS_COMPANION_TOKEN";

/// # Errors
/// When what was named is no place.
pub(super) fn place(args: &EngineArgs) -> Result<Place, PlaceError> {
    let token = std::env::var_os(COMPANION_TOKEN).unwrap_or_default();
    Place::resolve(args.companion.as_ref(), &token.to_string_lossy())
}
