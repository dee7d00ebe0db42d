//! An HTTP proxy that lets everybody through to one place.

use std::io::{BufRead, BufReader, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// A running proxy. Its threads end with the process.
pub struct ConnectProxy {
    /// `127.0.0.1:PORT`.
    pub address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Whatever host is asked for, it connects to `target`.
    pub fn start(target: &str) -> ConnectProxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (target, seen) = (target.to_owned(), Arc::clone(&asked));
        spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (target, seen) = (target.clone(), Arc::clone(&seen));
                spawn(move || pass(&client, &target, &seen));
            }
        });
        ConnectProxy { address, asked }
    }

    /// The first lines of the requests since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn pass(client: &TcpStream, target: &str, seen: &Mutex<Vec<String>>) {
    let mut input = BufReader::new(client);
    let mut first = String::new();
    input.read_line(&mut first).unwrap();
    seen.lock().unwrap().push(first.trim_end().to_owned());
    let mut line = String::new();
    while input.read_line(&mut line).unwrap() > 2 {
        line.clear();
    }
    let server = TcpStream::connect(target).unwrap();
    (&*client).write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
    let (from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = spawn(move || copy(&mut &from, &mut to));
    // Either side may close first; the other is then told.
    let _ = copy(&mut input, &mut &server);
    let _ = server.shutdown(Shutdown::Write);
    let _ = back.join();
}
