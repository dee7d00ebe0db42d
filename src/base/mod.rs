//! Values that every floor shares. No algorithm, no policy, no world.

pub mod buffer;
pub mod bytes;
pub mod file;
pub mod glob;
pub mod limits;
pub mod mac;
pub mod nearest;
pub mod path;
pub mod secret;
pub mod stamp;
pub mod wildmatch;
