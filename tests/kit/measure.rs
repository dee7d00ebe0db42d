//! How much memory a command takes, as the kernel counts it when it ends.

use crate::kit::command::{Home, Ran, program};
use crate::kit::skip;

/// Runs it, waits with `wait4` and writes `ru_maxrss`, which std does not tell.
const WAIT4: &str = "\
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
open(sys.argv[1], 'w').write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
";

/// Runs the program; its largest resident size in MiB, `None` without a Python to measure with.
pub fn peak_mib(home: &Home, words: &[&str]) -> (Ran, Option<u64>) {
    let python = std::env::var("PLAKAR_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = std::process::Command::new(&python).arg("--version").output().is_ok();
    if !found {
        skip::missing("python3, which measures memory");
        return (home.plakar(words), None);
    }
    let figure = home.path("maxrss");
    let program = program().into_string().unwrap();
    let ran = home.program(&python, &[&["-c", WAIT4, &figure, &program], words].concat());
    let kib: u64 = std::fs::read_to_string(&figure).unwrap().parse().unwrap();
    (ran, Some(kib.div_ceil(1024)))
}
