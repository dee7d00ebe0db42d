//! What is wrong with a place, found out step by step, and the least rights that its role needs.

use crate::connectors::context::Context;
use crate::connectors::location::{Location, S3Location};
use crate::connectors::options::{self, Options, Role, S3Options};
use crate::connectors::s3_client;
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::bucket::{Bucket, PutOptions};
use crate::s3::proto::address::Endpoint;
use crate::s3::proto::proxy::Proxies;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Longest time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A clock that is further off is refused by S3: fifteen minutes, of which these are far enough.
const CLOCK_OFF_SECS: i64 = 300;

/// What is written, read and removed to measure speed: long enough to fill a line's window.
const PROBE_BYTES: usize = 8 << 20;

/// One thing that was tried.
#[derive(Debug)]
pub struct Step {
    /// What.
    pub name: &'static str,
    /// What came of it; a failure ends the examination unless the next steps make sense without it.
    pub result: Result<String, Fault>,
}

/// Hears of each step as it ends.
pub type Tell<'a> = &'a mut dyn FnMut(Step);

/// Tries a place in its role. What is written is removed again.
///
/// Gives whether everything went well, and the policy document for the role where there is such a
/// thing.
pub fn examine(
    location: &Location,
    given: &Options,
    role: Role,
    context: &Context,
    tell: Tell<'_>,
) -> (bool, Option<String>) {
    let mut exam = Exam { well: true, tell };
    let options = options::check(&location.protocol, role, given);
    if exam.step("options", options.map(|()| format!("{location}"))).is_none() {
        return (false, None);
    }
    let policy = match location.protocol.as_str() {
        "s3" => bucket(location, given, role, context, &mut exam),
        _ => {
            directory(Path::new(OsStr::from_bytes(&location.rest)), role, context, &mut exam);
            None
        }
    };
    (exam.well, policy)
}

struct Exam<'a> {
    well: bool,
    tell: Tell<'a>,
}

impl Exam<'_> {
    fn step(&mut self, name: &'static str, result: Result<String, Fault>) -> Option<()> {
        let ok = result.is_ok();
        self.well &= ok;
        (self.tell)(Step { name, result });
        ok.then_some(())
    }
}

fn bucket(
    location: &Location,
    given: &Options,
    role: Role,
    context: &Context,
    exam: &mut Exam<'_>,
) -> Option<String> {
    let parsed = S3Location::parse(&location.rest).and_then(|place| Ok((place, S3Options::parse(given)?)));
    let (place, options) = match parsed {
        Ok(parsed) => parsed,
        Err(fault) => {
            exam.step("options", Err(fault));
            return None;
        }
    };
    let built = s3_client::bucket(&place, &options, context);
    let bucket = match built {
        Ok(bucket) => bucket,
        Err(fault) => {
            exam.step("options", Err(fault));
            return None;
        }
    };
    let visit = Visit { bucket, place, role, context };
    let missing = visit.reach(&options, exam).and_then(|()| visit.rights(exam));
    Some(policy(&visit.place, role, missing == Some(BucketIs::Missing)))
}

/// Whether the bucket is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BucketIs {
    There,
    Missing,
}

struct Visit<'a> {
    bucket: Bucket,
    place: S3Location,
    role: Role,
    context: &'a Context,
}

impl Visit<'_> {
    /// The way to the server: name, connection, TLS, clock.
    fn reach(&self, options: &S3Options, exam: &mut Exam<'_>) -> Option<()> {
        let endpoint = Endpoint::parse(&self.place.host, options.use_tls).ok()?;
        let proxies = Proxies::from_environment(&*self.context.environment);
        if proxies.choose(&endpoint).is_some() {
            exam.step("proxy", Ok("the way goes through the environment's proxy".to_owned()))?;
        } else {
            let addresses = resolve(&endpoint);
            let found = addresses.as_ref().map(|all| shown(all)).map_err(again);
            exam.step("name", found)?;
            exam.step("connection", connect(&addresses.ok()?))?;
        }
        let other = match options.use_tls {
            true => "if the server speaks plain HTTP, set use_tls=false",
            false => "if the server speaks TLS, set use_tls=true",
        };
        let greeting = self.bucket.greet().map_err(|fault| match fault.remedy {
            Some(_) => fault,
            None => fault.with_remedy(other),
        });
        let word = if options.use_tls { "TLS" } else { "plain HTTP" };
        let found = greeting.as_ref().map_err(again).map(|greeting| match greeting.server.as_str() {
            "" => format!("the server speaks {word}"),
            server => format!("{server} speaks {word}"),
        });
        exam.step(if options.use_tls { "TLS" } else { "HTTP" }, found)?;
        let ahead = greeting.ok()?.clock_ahead_secs;
        exam.step(
            "clock",
            match ahead {
                Some(ahead) if ahead.abs() > CLOCK_OFF_SECS => Err(Fault::new(
                    FaultKind::Denied,
                    format!("this machine's clock and the server's are {} seconds apart", ahead.abs()),
                )
                .with_remedy(
                    "set the clock: `timedatectl set-ntp true`, or `date -s`, on whichever is wrong",
                )),
                Some(ahead) => Ok(format!("{} seconds apart", ahead.abs())),
                None => Ok("the server does not tell its time".to_owned()),
            },
        );
        Some(())
    }

    /// Each right that the role needs.
    fn rights(&self, exam: &mut Exam<'_>) -> Option<BucketIs> {
        let mut first = None;
        let prefix = self.prefix();
        let mut seen = 0_u64;
        let listed = self.bucket.list_objects_v2(&prefix, None, &mut |object| {
            seen += 1;
            if first.as_ref().is_none_or(|(_, size)| *size == 0) {
                first = Some((object.key, object.size));
            }
            // One page proves the right; the rest would only take time.
            match seen {
                1000 => Err(Fault::new(FaultKind::Cancelled, "enough")),
                _ => Ok(()),
            }
        });
        let listed = match listed {
            Err(fault) if fault.kind == FaultKind::Cancelled && seen == 1000 => Ok(()),
            other => other,
        };
        if let Err(fault) = &listed
            && fault.kind == FaultKind::Missing
            && self.role != Role::Source
        {
            let what =
                "there is no such bucket; the first command that writes makes it, with s3:CreateBucket";
            exam.step("bucket", Ok(what.to_owned()))?;
            return Some(BucketIs::Missing);
        }
        let found = listed.map(|()| match seen {
            1000 => "a thousand objects and more".to_owned(),
            count => format!("{count} objects"),
        });
        exam.step("keys, s3:ListBucket", found)?;
        if let Some((key, size)) = first.filter(|_| self.role != Role::Destination) {
            let length = usize::try_from(size.min(PROBE_BYTES as u64)).unwrap_or(PROBE_BYTES);
            let started = self.context.clock.monotonic();
            let read = self.bucket.get_range(&key, 0, length, None);
            let took = self.context.clock.monotonic().saturating_sub(started);
            exam.step("s3:GetObject", read.map(|_| format!("an object was read{}", speed(length, took))));
        }
        if self.role != Role::Source {
            self.writing(exam);
        }
        Some(BucketIs::There)
    }

    /// Writes an object and removes it: in the one folder where every policy for stores lets objects be
    /// removed. Where nothing may be removed nothing is written either.
    fn writing(&self, exam: &mut Exam<'_>) {
        let folder: &[u8] = if self.role == Role::Store { b"locks/" } else { b"" };
        let name = format!("plakar-doctor-{}", self.context.digits(12));
        let key = [&self.prefix(), folder, name.as_bytes()].concat();
        let right = if self.role == Role::Store { "s3:DeleteObject on locks" } else { "s3:DeleteObject" };
        if let Err(fault) = self.bucket.delete_object(&key) {
            let untried = "s3:PutObject was not tried, as what is written could not be removed";
            match self.role {
                // A restore removes nothing.
                Role::Destination => exam.step("s3:PutObject", Ok(format!("not tried: {fault}"))),
                _ => {
                    exam.step(right, Err(Fault { message: format!("{}; {untried}", fault.message), ..fault }))
                }
            };
            return;
        }
        let body = vec![0x5a; PROBE_BYTES];
        let once = PutOptions { if_none_match: true, ..PutOptions::default() };
        let clock = &self.context.clock;
        let started = clock.monotonic();
        let put = self.bucket.put_object(&key, &body, &once);
        let took = clock.monotonic().saturating_sub(started);
        let wrote = put.is_ok();
        exam.step("s3:PutObject", put.map(|()| format!("an object was written{}", speed(body.len(), took))));
        if !wrote {
            return;
        }
        let second = self.bucket.put_object(&key, b"", &once);
        exam.step(
            "conditional writes",
            match second {
                Err(fault) if fault.kind == FaultKind::Exists => {
                    Ok("an object is not replaced unasked".to_owned())
                }
                Err(fault) => Err(fault),
                Ok(()) => {
                    Err(Fault::new(FaultKind::Unsupported, "If-None-Match: * was passed over by the server")
                        .with_remedy(
                            "two `create` at once could meet; use a server that has conditional writes",
                        ))
                }
            },
        );
        let started = clock.monotonic();
        let read = self.bucket.get_object(&key, PROBE_BYTES as u64);
        let took = clock.monotonic().saturating_sub(started);
        if self.role == Role::Store {
            exam.step(
                "s3:GetObject",
                read.map(|read| format!("an object was read{}", speed(read.len(), took))),
            );
        }
        exam.step(right, self.bucket.delete_object(&key).map(|()| "the object was removed".to_owned()));
    }

    fn prefix(&self) -> Vec<u8> {
        let mut prefix = self.place.directory();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        prefix
    }
}

fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Fault> {
    let no = |why: String| {
        Fault::new(FaultKind::Broken, format!("{}: {why}", endpoint.host())).with_remedy(
            "correct the host in the location, or /etc/resolv.conf or /etc/hosts of this machine",
        )
    };
    if endpoint.host() == "localhost" {
        return Ok(vec![
            (Ipv4Addr::LOCALHOST, endpoint.port()).into(),
            (Ipv6Addr::LOCALHOST, endpoint.port()).into(),
        ]);
    }
    let found = (endpoint.host(), endpoint.port()).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|error| no(error.to_string()))?.collect();
    if found.is_empty() { Err(no("no address".to_owned())) } else { Ok(found) }
}

fn shown(addresses: &[SocketAddr]) -> String {
    let all: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    all.join(", ")
}

fn connect(addresses: &[SocketAddr]) -> Result<String, Fault> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, CONNECT) {
            Ok(_) => return Ok(format!("{address} answers")),
            Err(error) => last = Some(Fault::from_io(format_args!("connect to {address}"), &error)),
        }
    }
    let fault = last.unwrap_or_else(|| Fault::new(FaultKind::Broken, "no address to connect to"));
    Err(Fault { kind: FaultKind::Broken, ..fault }
        .with_remedy("start the server, correct host and port in the location, or open the firewall"))
}

/// The same fault, to be told again.
fn again(fault: &Fault) -> Fault {
    Fault { kind: fault.kind, message: fault.message.clone(), remedy: fault.remedy.clone() }
}

/// `, 120 MB/s`; nothing for so few bytes that it would tell of the delay only.
fn speed(bytes: usize, took: Duration) -> String {
    let secs = took.as_secs_f64();
    match bytes >= 1 << 20 && secs > 0.0 {
        true => format!(", {:.0} MB/s", bytes as f64 / secs / 1e6),
        false => String::new(),
    }
}

fn directory(path: &Path, role: Role, context: &Context, exam: &mut Exam<'_>) {
    let shown = path.display();
    let facts = fs::metadata(path).map_err(|error| Fault::from_io(&shown, &error));
    let missing = facts.as_ref().is_err_and(|fault| fault.kind == FaultKind::Missing);
    if missing && role != Role::Source {
        exam.step("directory", Ok(format!("{shown} is not there; the first command that writes makes it")));
        return;
    }
    if exam.step("directory", facts.map(|_| format!("{shown} is there"))).is_none() {
        return;
    }
    if path.is_file() {
        let read = fs::File::open(path).map_err(|error| Fault::from_io(&shown, &error));
        exam.step("read", read.map(|_| "it can be read".to_owned()));
        return;
    }
    let listed = fs::read_dir(path).map_err(|error| Fault::from_io(&shown, &error));
    exam.step("read", listed.map(|all| format!("{} names in it", all.count())));
    if role == Role::Source {
        return;
    }
    let probe = path.join(format!(".plakar-doctor-{}", context.digits(12)));
    let started = context.clock.monotonic();
    let written = fs::File::create_new(&probe).and_then(|mut file| {
        file.write_all(&vec![0x5a; PROBE_BYTES])?;
        file.sync_all()
    });
    let took = context.clock.monotonic().saturating_sub(started);
    // Left behind by a disk that is full, or never made.
    let removed = fs::remove_file(&probe);
    let told = written.and(removed).map(|()| format!("a file was written{}", speed(PROBE_BYTES, took)));
    exam.step(
        "write",
        told.map_err(|error| {
            Fault::from_io(&shown, &error).with_remedy("chown or chmod it, or free space on its disk")
        }),
    );
}

/// The least rights that a role needs, in IAM's JSON. `make` adds the right to make the bucket.
pub fn policy(place: &S3Location, role: Role, make: bool) -> String {
    let bucket = format!("arn:aws:s3:::{}", place.bucket);
    let directory = String::from_utf8_lossy(&place.directory()).into_owned();
    let below = |what: &str| match directory.as_str() {
        "" => format!("{bucket}/{what}"),
        directory => format!("{bucket}/{directory}/{what}"),
    };
    let mut on_bucket = vec!["s3:ListBucket"];
    if role == Role::Store {
        // What broken-off writes left behind is found by maintenance.
        on_bucket.push("s3:ListBucketMultipartUploads");
    }
    if make {
        on_bucket.push("s3:CreateBucket");
    }
    let mut statements = vec![statement(&on_bucket, std::slice::from_ref(&bucket))];
    match role {
        Role::Source => {
            statements.push(statement(&["s3:GetObject", "s3:GetObjectTagging"], &[below("*")]));
        }
        Role::Destination => {
            let actions = ["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"];
            statements.push(statement(&actions, &[below("*")]));
        }
        Role::Store => {
            let actions = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"];
            statements.push(statement(&actions, &[below("*")]));
            // States and packfiles are removed by maintenance alone.
            let removable = ["locks/*", "packfiles/*", "states/*"].map(below);
            statements.push(statement(&["s3:DeleteObject"], &removable));
        }
    }
    format!("{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n{}\n  ]\n}}\n", statements.join(",\n"))
}

fn statement(actions: &[&str], resources: &[String]) -> String {
    let list = |items: Vec<String>| items.join(", ");
    let quoted = |text: &str| {
        // Keys and names of buckets that JSON could stumble over.
        let text: String = text
            .chars()
            .flat_map(|c| (matches!(c, '"' | '\\')).then_some('\\').into_iter().chain([c]))
            .collect();
        format!("\"{text}\"")
    };
    format!(
        "    {{\n      \"Effect\": \"Allow\",\n      \"Action\": [{}],\n      \"Resource\": [{}]\n    }}",
        list(actions.iter().map(|action| quoted(action)).collect()),
        list(resources.iter().map(|resource| quoted(resource)).collect())
    )
}
