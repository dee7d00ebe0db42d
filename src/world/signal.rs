//! Ctrl-C and SIGTERM.

use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Exit code of a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// From now on the first SIGINT or SIGTERM raises `flag`, and the second one ends the process at
/// once.
///
/// # Errors
/// When the system refuses a handler.
pub fn raise_on_interrupt(flag: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: at the first signal the flag is still down when the shutdown looks at it.
        signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(flag))?;
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}
