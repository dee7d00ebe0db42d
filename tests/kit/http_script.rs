//! A small HTTP server on a loopback port whose answers a test writes, for services beside S3.

use crate::kit::s3_server::http::{self, Answer, Request};
use std::io::BufReader;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Its threads end with the process.
pub struct HttpScript {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl HttpScript {
    /// Answers every request with what `answer` says: status and body.
    pub fn start(answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static) -> HttpScript {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, record) = (Arc::new(answer), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, record) = (Arc::clone(&answer), Arc::clone(&record));
                std::thread::spawn(move || {
                    let mut input = BufReader::new(&stream);
                    while let Ok(Some(head)) = http::read_head(&mut input) {
                        let Ok(request) = http::read_body(&mut input, head, &mut &stream, true) else {
                            break;
                        };
                        record.lock().unwrap().push(format!("{} {}", request.method, request.target));
                        let (status, body) = answer(&request);
                        let answer = Answer { body: body.into_bytes(), ..Answer::new(status) };
                        if !http::write(&mut &stream, &request, answer, None, 0).unwrap_or(false) {
                            break;
                        }
                    }
                });
            }
        });
        HttpScript { address, seen }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `GET /path?query` and so on, since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}
