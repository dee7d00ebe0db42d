//! What each stage of a backup, a restore or a check costs on this machine, one thread alone:
//! `cargo run --release --example stages`. Where these figures are used: `src/engine/backup.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement ends by panicking when something is wrong"
)]

use plakar::algo::chunk::Chunker;
use plakar::algo::compress::{Method, Plain, compress, decompress_into};
use plakar::algo::derive::{Params, derive};
use plakar::algo::entropy::entropy;
use plakar::algo::hash::{Algorithm, Keyed, sha256};
use plakar::algo::seal::{Sealer, Subkey};
use plakar::base::secret::Secret;
use plakar::ports::dice::Dice;
use plakar::world::dice::SystemDice;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// Long enough for a clock to settle, short enough to be run often.
const AT_LEAST: Duration = Duration::from_millis(400);

/// The best of the rounds that fit: other programs only ever make one slower.
fn mib_per_second(bytes: usize, mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut best = f64::INFINITY;
    while begun.elapsed() < AT_LEAST || best == f64::INFINITY {
        let started = Instant::now();
        work();
        best = best.min(started.elapsed().as_secs_f64());
    }
    bytes as f64 / MIB as f64 / best
}

fn line(stage: &str, of: &str, rate: f64) {
    println!("{stage:<28} {of:<22} {rate:>8.0} MiB/s");
}

/// Half text, half noise, in pieces of some KiB: LZ4 halves it, as it does a toolchain.
fn content(len: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(len + 8192);
    while bytes.len() < len {
        for _ in 0..256 {
            bytes.extend_from_slice(&next().to_le_bytes());
        }
        for _ in 0..340 {
            const WORDS: [&[u8]; 8] =
                [b"return ", b"match ", b"self.", b"error ", b"let mut ", b"()\n    ", b"fn ", b"u64, "];
            bytes.extend_from_slice(WORDS[(next() % 8) as usize]);
        }
    }
    bytes.truncate(len);
    bytes
}

fn main() {
    // Short, so that some rounds are not disturbed however busy the machine is.
    let big = content(2 * MIB);
    let secret = Secret::new(vec![7; 32]);
    let chunker = Chunker::new("FASTCDC", 64 << 10, 1 << 20, 4 << 20).unwrap();
    line(
        "cut",
        "FastCDC",
        mib_per_second(big.len(), || {
            let mut rest = &big[..];
            while !rest.is_empty() {
                rest = &rest[chunker.cut(&rest[..rest.len().min(chunker.max())])..];
            }
        }),
    );
    let keyed = Keyed::new(Algorithm::Blake3, &[3; 32]);
    let sealer = Sealer::new(&secret, Subkey::Wrap, 64 << 10).unwrap();
    for (of, len) in
        [("blobs of 1 KiB", 1 << 10), ("blobs of 16 KiB", 16 << 10), ("blobs of 128 KiB", 128 << 10)]
    {
        // As many blobs as take some milliseconds.
        let big = &big[..big.len().min(256 * len)];
        let each =
            |work: &mut dyn FnMut(&[u8])| mib_per_second(big.len(), || big.chunks(len).for_each(&mut *work));
        line(
            "BLAKE3 keyed",
            of,
            each(&mut |blob| {
                black_box(keyed.mac(blob));
            }),
        );
        line(
            "entropy",
            of,
            each(&mut |blob| {
                black_box(entropy(blob));
            }),
        );
        let (mut out, mut plain) = (Vec::new(), Plain::default());
        line(
            "LZ4 compress",
            of,
            each(&mut |blob| {
                out.clear();
                compress(Method::Lz4, blob, false, &mut out);
            }),
        );
        line(
            "LZ4 frame, not compressed",
            of,
            each(&mut |blob| {
                out.clear();
                compress(Method::Lz4, blob, true, &mut out);
            }),
        );
        let packed: Vec<Vec<u8>> = big
            .chunks(len)
            .map(|blob| {
                let mut out = Vec::new();
                compress(Method::Lz4, blob, false, &mut out);
                out
            })
            .collect();
        line(
            "LZ4 decompress",
            of,
            mib_per_second(big.len(), || {
                packed.iter().for_each(|blob| decompress_into(Method::Lz4, blob, len, &mut plain).unwrap());
            }),
        );
        line(
            "AES-256-GCM-SIV seal",
            of,
            each(&mut |blob| {
                out.clear();
                sealer.seal(blob, &mut |random| SystemDice.fill(random), &mut out);
            }),
        );
        let sealed: Vec<Vec<u8>> = big
            .chunks(len)
            .map(|blob| {
                let mut out = Vec::new();
                sealer.seal(blob, &mut |random| SystemDice.fill(random), &mut out);
                out
            })
            .collect();
        line(
            "AES-256-GCM-SIV open",
            of,
            mib_per_second(big.len(), || {
                sealed.iter().for_each(|blob| sealer.open_into(blob, len, &mut out).unwrap());
            }),
        );
    }
    line(
        "SHA-256",
        "a packfile",
        mib_per_second(big.len(), || {
            black_box(sha256(&big));
        }),
    );
    line(
        "BLAKE3 keyed",
        "a packfile",
        mib_per_second(big.len(), || {
            black_box(keyed.mac(&big));
        }),
    );
    line("socket", "both ends", socket(&big));
    let started = Instant::now();
    derive(&Params::Argon2id { time: 4, memory_kib: 256 << 10, threads: 1 }, &[1; 16], &secret, 32).unwrap();
    println!("Argon2id, 256 MiB, 4 passes: {:.2} s", started.elapsed().as_secs_f64());
}

/// Through loopback, as one request's body: a thread sends, this one receives.
fn socket(body: &[u8]) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut received = vec![0; 256 << 10];
    mib_per_second(body.len(), || {
        std::thread::scope(|scope| {
            scope.spawn(|| TcpStream::connect(address).unwrap().write_all(body).unwrap());
            let (mut stream, _) = listener.accept().unwrap();
            while stream.read(&mut received).unwrap() > 0 {}
        });
    })
}
