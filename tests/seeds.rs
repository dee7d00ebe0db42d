//! The fuzz targets on stable Rust: every seed, and thousands of mutations of each.

use plakar::fuzzing::{TARGETS, Target};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const MUTATIONS_PER_SEED: usize = 4_000;

/// Of histories of a whole store, each of which is thousands of requests.
const HISTORIES_PER_SEED: usize = 40;

/// A mutation never grows beyond this, so that a run stays short.
const BYTES_MAX: usize = 16 << 10;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> =
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = fuzz().join("seeds").join(target);
    let mut seeds: Vec<(String, Vec<u8>)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn every_target_has_its_file_its_seeds_and_its_row() {
    let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert!(known.is_sorted(), "{known:?}");
    assert_eq!(names(&fuzz().join("targets")), known);
    assert_eq!(names(&fuzz().join("seeds")), known);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in known {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
        let text = fs::read_to_string(fuzz().join(format!("targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("plakar::fuzzing::{name}(data)")), "{name}");
        let seeds = seeds(name);
        assert!(seeds.len() >= 2, "{name} has {} seeds", seeds.len());
        assert!(seeds.iter().all(|(_, seed)| seed.len() <= BYTES_MAX), "{name}: a long seed");
    }
}

/// Marsaglia's xorshift of 64 bits: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(64) + 1)
    }
}

/// Numbers that length fields and counts go wrong at.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX.cast_unsigned(), u64::MAX];

fn mutate(bytes: &mut Vec<u8>, others: &[(String, Vec<u8>)], dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len());
        match dice.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            1 if !bytes.is_empty() => bytes[at] = dice.roll() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(dice.range(bytes.len()))),
            4 => {
                let copy = bytes[dice.range(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => {
                let other = &others[dice.below(others.len())].1;
                let piece = other[dice.range(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            6 => {
                let (edge, width) = (EDGES[dice.below(EDGES.len())], 1 << dice.below(4));
                let number = if dice.roll() & 1 == 0 { edge.to_le_bytes() } else { edge.to_be_bytes() };
                let number = if number[0] == 0 { &number[8 - width..] } else { &number[..width] };
                for (place, byte) in bytes.iter_mut().skip(at).zip(number) {
                    *place = *byte;
                }
            }
            _ => {
                let insert = (0..dice.below(4)).map(|_| dice.roll() as u8).collect::<Vec<u8>>();
                bytes.splice(at..at, insert);
            }
        }
    }
    bytes.truncate(BYTES_MAX);
}

/// Runs one input; what fails is told with the bytes that made it fail.
fn run(target: Target, what: &str, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        panic!("{what}: {} bytes: {}", input.len(), input.escape_ascii());
    }
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds(name);
    run(*target, name, b"");
    for (number, (seed, bytes)) in seeds.iter().enumerate() {
        run(*target, &format!("{name}/{seed}"), bytes);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
        let mutations = if name == "repository" { HISTORIES_PER_SEED } else { MUTATIONS_PER_SEED };
        for round in 0..mutations {
            let mut mutated = bytes.clone();
            mutate(&mut mutated, &seeds, &mut dice);
            run(*target, &format!("{name}/{seed}, mutation {round}"), &mutated);
        }
    }
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        #[test]
        fn every_target_is_replayed() {
            let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!([$(stringify!($name)),*].as_slice(), known);
        }
    };
}

replayed! {
    args btree chunker config dates dirpack entry envelope header ignore inflate ini json location lock
    lz4 msgpack object packfile ptar repository s3_address s3_error s3_head s3_identity s3_json s3_list
    s3_multipart s3_sign sealed state
    summary xattr yaml
}
