//! The program: reads the words, runs one command, ends with its exit code.

fn main() -> std::process::ExitCode {
    plakar::cli::main()
}
