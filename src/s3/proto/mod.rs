//! S3 as values: requests built and signed, replies read, retries judged.
//!
//! Nothing here opens a socket or asks for the time. A [`request::Request`] says what is wanted, an
//! [`address::Place`] where, [`sign`] turns both into headers; a reply comes back as a
//! [`reply::Head`] and its body, and is either a value of the operation's file or a
//! [`fault::Failure`], about which [`retry::decide`] says what to do next.

pub mod address;
pub mod date;
pub mod encryption;
pub mod escape;
pub mod fault;
pub mod identity;
pub mod json;
pub mod list;
pub mod multipart;
pub mod object;
pub mod pace;
pub mod parts;
pub mod proxy;
pub mod reply;
pub mod request;
pub mod retry;
pub mod sign;
pub mod sts;
pub mod xml;
