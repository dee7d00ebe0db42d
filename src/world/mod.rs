//! The real clock, the real dice, this host's facts and Ctrl-C: the one place that names them.

pub mod clock;
pub mod dice;
pub mod host;
pub mod shell;
pub mod signal;
