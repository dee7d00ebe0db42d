//! A real MinIO of a test's own, empty at first, and MinIO's client `mc` that knows it as `myminio`.

use crate::kit::command::{Home, Ran};
use crate::kit::connect::Scratch;
use crate::kit::json::Json;
use crate::kit::skip;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Stopped when dropped.
pub struct Minio {
    child: Child,
    host: String,
    mc: PathBuf,
    home: Home,
    _data: Scratch,
}

impl Minio {
    /// Starts one, at port 9000 when that is free; `None` when the programs are not on this machine.
    pub fn start(name: &str) -> Option<Minio> {
        let (program, mc) = (skip::minio_program()?, skip::mc_program()?);
        let data = Scratch::new(name);
        static ASKED: AtomicBool = AtomicBool::new(false);
        // Free a moment ago; only another program's bad luck could take it in between. Two tests of this
        // one would both find the page's port free: the first has it.
        let free = |port| Some(TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().unwrap().port());
        let first = !ASKED.swap(true, Ordering::SeqCst);
        let port = first.then(|| free(9000)).flatten().or_else(|| free(0)).unwrap();
        let child = serve(&program, port, data.path());
        let minio =
            Minio { child, host: format!("localhost:{port}"), mc, home: Home::new(name), _data: data };
        let url = format!("http://{}", minio.host);
        // Asks again by itself until the server is up.
        minio.home.env("MC_HOST_starting", format!("http://minioadmin:minioadmin@{}", minio.host));
        minio.mc(&["ready", "starting"]).succeeds();
        // As on the page.
        minio.mc(&["alias", "set", "myminio", &url, "minioadmin", "minioadmin"]).succeeds();
        Some(minio)
    }

    /// `localhost:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A folder for files that `mc` shall read; it runs in it.
    pub fn dir(&self) -> &Path {
        self.home.dir()
    }

    /// Runs `mc`.
    pub fn mc(&self, words: &[&str]) -> Ran {
        self.home.program(self.mc.to_str().unwrap(), words)
    }

    /// Runs a line of shell in which `mc` is MinIO's client.
    pub fn shell(&self, line: &str) -> Ran {
        let line = format!("mc() {{ '{}' \"$@\"; }}; {line}", self.mc.display());
        self.home.program("bash", &["-c", &line])
    }

    /// Stores an object.
    pub fn put(&self, name: &str, body: impl AsRef<[u8]>) {
        std::fs::write(self.dir().join("object"), body).unwrap();
        self.mc(&["cp", "object", &format!("myminio/{name}")]).succeeds();
    }

    /// An object's bytes.
    pub fn get(&self, name: &str) -> Vec<u8> {
        self.mc(&["cat", &format!("myminio/{name}")]).succeeds().bytes
    }

    /// Keys of a bucket or below a prefix, sorted.
    pub fn keys(&self, place: &str) -> Vec<String> {
        let listed = self.mc(&["ls", "--recursive", "--json", &format!("myminio/{place}")]).succeeds();
        let mut keys: Vec<String> =
            listed.stdout.lines().map(|line| Json::parse(line).text("key").unwrap().to_owned()).collect();
        keys.sort();
        keys
    }
}

fn serve(program: &Path, port: u16, data: &Path) -> Child {
    Command::new(program)
        .args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")])
        .arg(data)
        .envs([("MINIO_ROOT_USER", "minioadmin"), ("MINIO_ROOT_PASSWORD", "minioadmin")])
        .envs([("MINIO_BROWSER", "off"), ("MINIO_UPDATE", "off")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Minio {
    fn drop(&mut self) {
        // It may have ended by itself, and nothing is lost with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
