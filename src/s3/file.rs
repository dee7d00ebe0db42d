//! Small files that hold keys or certificates, read whole and wiped after use.

use crate::ports::fault::{Fault, FaultKind};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// Longest such file: all authorities of a distribution in PEM form are 250 KiB.
const BYTES_MAX: u64 = 4 << 20;

/// The content. `option` is what a person set to name the file.
///
/// # Errors
/// One line that names option and file; `Missing` when there is none.
pub fn read(option: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let what = format!("{option} {}", path.display());
    let mut content = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut content))
        .map_err(|error| Fault::from_io(&what, &error))?;
    match content.len() as u64 > BYTES_MAX {
        true => Err(Fault::new(FaultKind::Unsupported, format!("{what}: longer than {BYTES_MAX} bytes"))),
        false => Ok(content),
    }
}
