//! Where a store's passphrase comes from, and how it is asked for.

use crate::base::secret::Secret;
use crate::cli::exit::Failure;
use crate::cli::settings::Options;
use crate::cli::strength;
use crate::world::shell;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Tries at a prompt.
const TRIES: usize = 3;

/// Options of an entry that say how to get its passphrase.
pub const OPTIONS: [&str; 2] = ["passphrase", "passphrase_cmd"];

/// A key file longer than this is some other file.
const KEYFILE_BYTES_MAX: u64 = 1 << 20;

/// The passphrase that needs no asking: the key file, the entry's `passphrase`, its
/// `passphrase_cmd`, `PLAKAR_PASSPHRASE`, in this order. Both options are taken out of `options`,
/// so that no connector sees them.
///
/// # Errors
/// A key file that cannot be read, a command that fails or prints anything but one line.
pub fn supplied(keyfile: Option<&Path>, options: &mut Options) -> Result<Option<Secret>, Failure> {
    let configured = options.remove("passphrase");
    let command = options.remove("passphrase_cmd");
    if let Some(path) = keyfile {
        return read_keyfile(path).map(Some);
    }
    if let Some(text) = configured {
        return Ok(Some(Secret::new(text.into_bytes())));
    }
    if let Some(command) = command {
        return shell::line(&command).map(Some).map_err(|why| Failure::new(format!("passphrase_cmd {why}")));
    }
    let variable = std::env::var_os("PLAKAR_PASSPHRASE").filter(|value| !value.is_empty());
    Ok(variable.map(|value| Secret::new(std::os::unix::ffi::OsStringExt::into_vec(value))))
}

fn read_keyfile(path: &Path) -> Result<Secret, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(KEYFILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| Failure::new(format!("could not read key file {}: {error}", path.display())))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(Secret::new(bytes))
}

/// Asks once. `label` is what the person sees before the colon.
///
/// # Errors
/// Without a terminal: one clear line, whoever calls must not try again.
pub fn ask(label: &str) -> Result<Secret, Failure> {
    let refused = |error: std::io::Error| {
        Failure::new(format!("cannot ask for the {label}: no terminal ({error})"))
            .and("Give it in a file with -keyfile, in PLAKAR_PASSPHRASE, or as the store's passphrase or passphrase_cmd option.")
    };
    let mut terminal = File::options().read(true).write(true).open("/dev/tty").map_err(refused)?;
    write!(terminal, "{label}: ").and_then(|()| terminal.flush()).map_err(refused)?;
    let text = rpassword::read_password().map_err(refused)?;
    Ok(Secret::new(text.into_bytes()))
}

/// Asks up to three times until `accept` says the passphrase is right.
///
/// # Errors
/// As `accept` and [`ask`] do; `None` when no try was right.
pub fn ask_until<T>(
    label: &str,
    mut accept: impl FnMut(&Secret) -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    for _ in 0..TRIES {
        if let Some(found) = accept(&ask(label)?)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Asks for a new passphrase of at least `bits_min` bits, twice each time. The same weak one
/// typed again is a decision, and accepted.
///
/// # Errors
/// After three rounds, and without a terminal.
pub fn choose(label: &str, bits_min: f64, say: &dyn Fn(&str)) -> Result<Secret, Failure> {
    let mut insisted: Option<Secret> = None;
    for _ in 0..TRIES {
        let first = ask(label)?;
        if insisted.as_ref() != Some(&first) {
            let text = String::from_utf8_lossy(first.expose()).into_owned();
            if let Some(complaint) = strength::complaint(&text, bits_min) {
                say(&complaint);
                insisted = Some(first);
                continue;
            }
        }
        if ask(&format!("{label} (confirm)"))? == first {
            return Ok(first);
        }
        say("passphrases mismatch");
    }
    Err(Failure::new("too many failed attempts"))
}
