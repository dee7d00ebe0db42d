//! A real MinIO that speaks TLS with a certificate from `tls/`.

use crate::kit::command::Home;
use crate::kit::connect::Scratch;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// All certificates are good until 2126 and have this key, which is no secret.
pub const KEY: &str = include_str!("tls/private.key");

/// A certificate's file; for a server, and for `ca_file`.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kit/tls").join(name)
}

/// Stopped when dropped.
pub struct TlsMinio {
    child: Child,
    pub host: String,
}

impl Drop for TlsMinio {
    fn drop(&mut self) {
        // It may have ended by itself, and nothing is lost with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// With its data in `scratch/data`, and variables of the test's own.
pub fn start(program: &Path, scratch: &Scratch, certificate: &str, variables: &[(&str, &str)]) -> TlsMinio {
    let certs = scratch.join("certs");
    fs::create_dir_all(certs.join("CAs")).unwrap();
    fs::copy(file("authority.crt"), certs.join("CAs/authority.crt")).unwrap();
    fs::copy(file(certificate), certs.join("public.crt")).unwrap();
    fs::write(certs.join("private.key"), KEY).unwrap();
    // Free a moment ago; only another program's bad luck could take it in between.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("127.0.0.1:{port}");
    let child = Command::new(program)
        .args(["server", "--quiet", "--address", &host, "--certs-dir"])
        .args([certs, scratch.join("data")])
        .envs([("MINIO_ROOT_USER", "minioadmin"), ("MINIO_ROOT_PASSWORD", "minioadmin")])
        .envs([("MINIO_BROWSER", "off"), ("MINIO_UPDATE", "off")])
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    TlsMinio { child, host }
}

/// Makes a store. Each attempt waits about a second for a server that is not up yet.
pub fn create(home: &Home, store: &str) {
    let mut attempts = (0..60).map(|_| home.plakar(&["at", store, "create", "-plaintext"]));
    attempts.find(|ran| ran.code == Some(0) || !ran.stderr.contains("refused")).unwrap().succeeds();
}

impl TlsMinio {
    /// Stops all its threads; connections stay open, and nobody reads from them.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Goes on as if nothing had been.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}
