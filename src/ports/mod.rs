//! What the engine asks of the world: traits, and their contracts in words.

pub mod archive;
pub mod cancel;
pub mod clock;
pub mod destination;
pub mod dice;
pub mod fault;
pub mod monitor;
pub mod names;
pub mod source;
pub mod store;
