//! Other programs, asked for one secret.

use crate::base::secret::Secret;
use std::process::{Command, Stdio};

/// What `/bin/sh -c` prints when it runs `command`: exactly one line. The program may ask on standard
/// error and standard input.
///
/// # Errors
/// What went wrong, as it reads behind the name of the option that holds the command.
pub fn line(command: &str) -> Result<Secret, String> {
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("could not be run: /bin/sh: {error}"))?;
    let mut line = output.stdout;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    let secret = Secret::new(line);
    if !output.status.success() {
        return Err(format!("failed: {}", output.status));
    }
    if secret.expose().is_empty() {
        return Err("printed nothing".to_owned());
    }
    match secret.expose().contains(&b'\n') {
        true => Err("returned too many lines".to_owned()),
        false => Ok(secret),
    }
}
