//! Algorithms: pure functions and small state machines, one file per idea.

pub mod chunk;
pub mod compress;
pub mod derive;
pub mod entropy;
mod gear;
pub mod hash;
pub mod mime;
pub mod msgpack;
pub mod seal;
pub mod sign;
