//! From a location to a connector: the one table of schemes.

use crate::connectors::context::{Context, Reading, Writing};
use crate::connectors::fs_destination::FsDestination;
use crate::connectors::fs_source::FsSource;
use crate::connectors::fs_store::FsStore;
use crate::connectors::location::{Location, S3Location};
use crate::connectors::options::{self, Options, Role, S3Options};
use crate::connectors::ptar::PtarStore;
use crate::connectors::s3_destination::S3Destination;
use crate::connectors::s3_source::S3Source;
use crate::connectors::s3_store::S3Store;
use crate::ports::destination::Destination;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::source::Source;
use crate::ports::store::Store;
use crate::s3::trust::Trust;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Judges options as they are written down: their names, and what each says. Whether they suffice is
/// for later; those of protocols that other programs know are theirs to judge.
///
/// # Errors
/// `Unsupported` for an unknown option or a value that cannot be, each by its name; a file of
/// certificates that cannot be used.
pub fn judge(location: &Location, role: Role, given: &Options) -> Result<(), Fault> {
    let protocol = location.protocol.as_str();
    if !matches!(protocol, "fs" | "ptar" | "s3") {
        return Ok(());
    }
    options::check(protocol, role, given)?;
    if protocol == "s3" {
        S3Location::parse(&location.rest)?;
        Trust::load(&S3Options::parse(given)?.trust)?;
    }
    options::flag(given, "dont_traverse_fs", false).map(|_| ())
}

/// A store's connector. Options are judged; nothing is contacted but an archive's file.
///
/// # Errors
/// `Unsupported` for an unknown protocol, option or value, each by its name.
pub fn store(location: &Location, given: &Options, context: &Context) -> Result<Arc<dyn Store>, Fault> {
    options::check(&location.protocol, Role::Store, given)?;
    Ok(match location.protocol.as_str() {
        "fs" => Arc::new(FsStore::new(&location.rest, context.clone())),
        "ptar" => Arc::new(PtarStore::open(Path::new(OsStr::from_bytes(&location.rest)))?),
        "s3" => {
            let place = S3Location::parse(&location.rest)?;
            Arc::new(S3Store::new(&place, &S3Options::parse(given)?, context)?)
        }
        other => return Err(unknown(format!("backend '{other}' does not exist"), "fs, ptar and s3 do")),
    })
}

/// A source's connector.
///
/// # Errors
/// As [`store`]; a directory that is not there.
pub fn source(
    location: &Location,
    given: &Options,
    reading: Reading,
    context: &Context,
) -> Result<Arc<dyn Source>, Fault> {
    options::check(&location.protocol, Role::Source, given)?;
    Ok(match location.protocol.as_str() {
        "fs" => {
            let one_device = options::flag(given, "dont_traverse_fs", false)?;
            Arc::new(FsSource::new(&location.rest, one_device, reading, context.clone())?)
        }
        "s3" => {
            let place = S3Location::parse(&location.rest)?;
            Arc::new(S3Source::new(&place, &S3Options::parse(given)?, context)?)
        }
        other => {
            return Err(unknown(
                "unsupported importer protocol".to_owned(),
                &format!("{other} is none; fs and s3 are"),
            ));
        }
    })
}

/// A destination's connector.
///
/// # Errors
/// As [`store`].
pub fn destination(
    location: &Location,
    given: &Options,
    writing: &Writing,
    context: &Context,
) -> Result<Arc<dyn Destination>, Fault> {
    options::check(&location.protocol, Role::Destination, given)?;
    Ok(match location.protocol.as_str() {
        "fs" => Arc::new(FsDestination::new(&location.rest, writing, context.clone())),
        "s3" => {
            let place = S3Location::parse(&location.rest)?;
            Arc::new(S3Destination::new(&place, &S3Options::parse(given)?, context)?)
        }
        other => {
            return Err(unknown(
                "unsupported exporter protocol".to_owned(),
                &format!("{other} is none; fs and s3 are"),
            ));
        }
    })
}

fn unknown(message: String, remedy: &str) -> Fault {
    Fault::new(FaultKind::Unsupported, message).with_remedy(remedy)
}
