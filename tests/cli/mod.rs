//! The command line, through the built program.

mod archive;
mod backup;
mod cat;
mod check;
mod clone;
mod create;
mod diff;
mod digest;
mod dup;
mod entries;
mod filters;
mod info;
mod interrupt;
mod locate;
mod ls;
mod maintenance;
mod policy;
mod prune;
mod ptar;
mod refusals;
mod restore;
mod rm;
mod small;
mod sync;
mod words;
