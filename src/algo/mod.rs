//! Algorithms: pure functions and small state machines, one file per idea.

pub mod hash;
