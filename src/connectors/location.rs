//! Where something is, as a person writes it: `s3://localhost:9000/bucket/prefix`, `fs:backups`,
//! `./archive.ptar`, `/var/backups`.

use crate::base::path;
use crate::ports::fault::{Fault, FaultKind};
use std::fmt;

/// A protocol and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Lower or upper case as typed: `fs`, `s3`, `ptar`.
    pub protocol: String,
    /// Without the leading `//`. Absolute and clean for files, `HOST[:PORT]/BUCKET[/PREFIX]` for
    /// buckets.
    pub rest: Vec<u8>,
}

impl Location {
    /// Reads a word; a relative path counts from `cwd`.
    ///
    /// A protocol is at least two of `A-Z a-z 0-9 + - .` before a colon. Everything else is a
    /// path, so that `a:b` and `my_dir:x` stay files.
    pub fn parse(word: &[u8], cwd: &[u8]) -> Location {
        let (protocol, rest) = split(word).unwrap_or(("fs", word));
        let rest = rest.strip_prefix(b"//").unwrap_or(rest);
        let local = matches!(protocol, "fs" | "ptar");
        Location {
            protocol: protocol.to_owned(),
            rest: if local { absolute(rest, cwd) } else { rest.to_vec() },
        }
    }

    /// As [`Location::parse`], for a store: a file whose name ends in `.ptar` is an archive.
    pub fn of_store(word: &[u8], cwd: &[u8]) -> Location {
        let mut location = Location::parse(word, cwd);
        if location.protocol == "fs" && location.rest.ends_with(b".ptar") {
            location.protocol = "ptar".to_owned();
        }
        location
    }
}

/// `fs:///var/backups`, `s3://localhost:9000/bucket`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.protocol, String::from_utf8_lossy(&self.rest))
    }
}

fn split(word: &[u8]) -> Option<(&str, &[u8])> {
    let is_protocol = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
    let end = word.iter().position(|b| !is_protocol(b))?;
    let (protocol, rest) = word.split_at_checked(end)?;
    let rest = rest.strip_prefix(b":")?;
    (end >= 2).then_some((std::str::from_utf8(protocol).ok()?, rest))
}

fn absolute(rest: &[u8], cwd: &[u8]) -> Vec<u8> {
    if rest.starts_with(b"/") { path::clean(rest) } else { path::clean(&path::join(cwd, rest)) }
}

/// The three parts of `HOST[:PORT]/BUCKET[/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// `localhost:9000`, `[::1]:9000`, `s3.example.org`.
    pub host: String,
    /// Verbatim.
    pub bucket: String,
    /// With `%xx` resolved; empty when there is none. May end in `/`.
    pub prefix: Vec<u8>,
}

impl S3Location {
    /// Reads the part behind `s3://`. The prefix is text, not a URL: `?` and `#` are ordinary
    /// characters in it, only `%xx` is resolved. Whether there can be such a host and bucket is for
    /// the client to say.
    ///
    /// # Errors
    /// `Unsupported`, naming what is missing or wrong.
    pub fn parse(rest: &[u8]) -> Result<S3Location, Fault> {
        let shown = String::from_utf8_lossy(rest).into_owned();
        let bad = |what: &str| {
            Fault::new(FaultKind::Unsupported, format!("s3://{shown}: {what}"))
                .with_remedy("a bucket is written s3://HOST[:PORT]/BUCKET[/PREFIX]")
        };
        let mut parts = rest.splitn(3, |&b| b == b'/');
        let text = |part: Option<&[u8]>| String::from_utf8(part.unwrap_or_default().to_vec());
        let host = text(parts.next()).map_err(|_| bad("the host is not text"))?;
        let bucket = text(parts.next()).map_err(|_| bad("the bucket is not text"))?;
        if host.contains('@') {
            return Err(Fault::new(FaultKind::Unsupported, "s3 location: credentials do not belong in it")
                .with_remedy("give them as access_key=… secret_access_key=…"));
        }
        if host.is_empty() {
            return Err(bad("no host"));
        }
        if bucket.is_empty() {
            return Err(bad("no bucket"));
        }
        let prefix =
            unescape(parts.next().unwrap_or_default()).ok_or_else(|| bad("a % without two hex digits"))?;
        Ok(S3Location { host, bucket, prefix })
    }

    /// The prefix as a directory: no leading, trailing or double `/`; empty for the whole bucket.
    pub fn directory(&self) -> Vec<u8> {
        path::clean(&path::join(b"/", &self.prefix)).split_off(1)
    }
}

/// `s3://host/bucket/prefix`.
impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.host, self.bucket)?;
        match self.prefix.is_empty() {
            true => Ok(()),
            false => write!(f, "/{}", String::from_utf8_lossy(&self.prefix)),
        }
    }
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |b: Option<&u8>| char::from(*b?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{Location, S3Location};

    #[test]
    fn words_become_protocols_and_absolute_paths() {
        let cases = [
            ("s3://localhost:9000/b/p", "s3", "localhost:9000/b/p"),
            ("s3:localhost:9000/b/p", "s3", "localhost:9000/b/p"),
            ("s3://[::1]:9000/b", "s3", "[::1]:9000/b"),
            ("/var/backups", "fs", "/var/backups"),
            ("/var//backups/./x/../", "fs", "/var/backups"),
            ("./x", "fs", "/work/dir/x"),
            ("x", "fs", "/work/dir/x"),
            ("..", "fs", "/work"),
            ("", "fs", "/work/dir"),
            ("fs:rel", "fs", "/work/dir/rel"),
            ("fs://rel", "fs", "/work/dir/rel"),
            ("fs:/abs", "fs", "/abs"),
            ("fs:///abs", "fs", "/abs"),
            ("a:b", "fs", "/work/dir/a:b"),
            ("my_dir:x", "fs", "/work/dir/my_dir:x"),
            ("foo:bar", "foo", "bar"),
            ("localhost:9000/x", "localhost", "9000/x"),
            ("ptar:./x", "ptar", "/work/dir/x"),
            ("ptar:///a/x", "ptar", "/a/x"),
            ("ptar+https://h/x.ptar", "ptar+https", "h/x.ptar"),
            ("S3://h/b", "S3", "h/b"),
        ];
        for (word, protocol, rest) in cases {
            let found = Location::parse(word.as_bytes(), b"/work/dir");
            assert_eq!(
                (found.protocol.as_str(), found.rest.as_slice()),
                (protocol, rest.as_bytes()),
                "{word}"
            );
        }
    }

    #[test]
    fn a_store_ending_in_ptar_is_an_archive() {
        for (word, shown) in [
            ("./export.ptar", "ptar:///work/dir/export.ptar"),
            ("fs:/x/export.ptar", "ptar:///x/export.ptar"),
            ("s3://h/b/export.ptar", "s3://h/b/export.ptar"),
            ("export.ptar.d", "fs:///work/dir/export.ptar.d"),
        ] {
            assert_eq!(Location::of_store(word.as_bytes(), b"/work/dir").to_string(), shown);
        }
        assert_eq!(Location::parse(b"export.ptar", b"/").protocol, "fs");
    }

    #[test]
    fn buckets_and_prefixes() {
        for (rest, host, bucket, prefix, directory) in [
            ("h/b", "h", "b", "", ""),
            ("h:9000/b/", "h:9000", "b", "", ""),
            ("[::1]:9000/b/p/q/", "[::1]:9000", "b", "p/q/", "p/q"),
            ("[fe80::1]/b/p//q", "[fe80::1]", "b", "p//q", "p/q"),
            ("h/b/a%20b%2Fc", "h", "b", "a b/c", "a b/c"),
            ("h/b/what?#x+y", "h", "b", "what?#x+y", "what?#x+y"),
            ("h/b/../x", "h", "b", "../x", "x"),
        ] {
            let found = S3Location::parse(rest.as_bytes()).unwrap();
            assert_eq!((found.host.as_str(), found.bucket.as_str()), (host, bucket), "{rest}");
            assert_eq!(found.prefix, prefix.as_bytes(), "{rest}");
            assert_eq!(found.directory(), directory.as_bytes(), "{rest}");
        }
        for rest in ["", "h", "h/", "/b", "u:p@h/b", "h/b/%", "h/b/%g0", "h/b/%2"] {
            assert!(S3Location::parse(rest.as_bytes()).is_err(), "{rest}");
        }
    }

    #[test]
    fn credentials_in_a_location_are_not_repeated() {
        let fault = S3Location::parse(b"key:hush@host/bucket").unwrap_err();
        assert!(!fault.to_string().contains("hush"));
    }
}
