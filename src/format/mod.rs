#![doc = include_str!("FORMAT.md")]

pub mod config;
pub mod error;
pub mod kind;
