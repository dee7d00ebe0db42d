//! From a place in the settings to a connector.

use crate::cli::exit::Failure;
use crate::cli::session::{Place, Session};
use crate::cli::settings::Role;

/// Builds the connector, which judges its options, and contacts nothing.
///
/// # Errors
/// What the connector says.
pub fn construct(_: &Session, _: Role, place: &Place) -> Result<(), Failure> {
    Err(Failure::new(format!("{}: connectors are not wired yet", place.word)))
}

/// Contacts it: what it answered, as a phrase.
///
/// # Errors
/// What went wrong.
pub fn ping(_: &Session, _: Role, place: &Place) -> Result<String, Failure> {
    Err(Failure::new(format!("{}: connectors are not wired yet", place.word)))
}
