//! The program: reads the words, runs one command, ends with its exit code.

// musl's own asks the system at every turn and lets threads wait: an unchanged backup took half as long again.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    plakar::cli::main()
}
