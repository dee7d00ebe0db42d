//! Zip files written to a stream (APPNOTE.TXT 6.3.10): content deflated, names in UTF-8, sizes and
//! places past 32 bits where they need it.

use crate::algo::compress::{Deflate, crc32};
use std::io::{self, Read, Write};
use time::OffsetDateTime;

/// What an entry is.
pub enum Kind<'a> {
    /// A directory.
    Directory,
    /// A symbolic link, with its target.
    Symlink(&'a [u8]),
    /// A file, and how many bytes it should have.
    File(&'a mut dyn Read, u64),
}

/// A zip file being written. In memory: 60 bytes and the name for each entry.
pub struct Zip<W: Write> {
    out: Counted<W>,
    /// The records of the central directory.
    directory: Vec<u8>,
    entries: u64,
}

/// The version that made it, and the one a reader needs (4.4.3): 2.0 has directories and deflate, 4.5
/// has zip64.
const MADE_BY_UNIX: u16 = 3 << 8 | 45;
const NEEDS_DEFLATE: u16 = 20;
const NEEDS_ZIP64: u16 = 45;
/// Flags (4.4.4): sizes follow the content; the name is UTF-8.
const SIZES_FOLLOW: u16 = 1 << 3;
const NAME_IS_UTF8: u16 = 1 << 11;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Extra fields (4.5): sizes of 64 bits; Info-ZIP's times of Unix.
const EXTRA_ZIP64: u16 = 1;
const EXTRA_TIMES: u16 = 0x5455;

/// From this size on a file is told in 64 bits: below it deflate cannot grow it past 32.
const LARGE: u64 = 0xf000_0000;

impl<W: Write> Zip<W> {
    /// An empty one.
    pub fn new(out: W) -> Zip<W> {
        Zip { out: Counted { out, bytes: 0 }, directory: Vec::new(), entries: 0 }
    }

    /// Adds an entry under a relative name. `permissions` are POSIX's 12 bits, `modified` seconds since 1970.
    ///
    /// # Errors
    /// What writing, or reading its content, fails with; content that has 4 GiB more than it should.
    pub fn add(&mut self, name: &str, permissions: u32, modified: i64, kind: Kind<'_>) -> io::Result<()> {
        let mut entry = Entry {
            name: name.to_owned(),
            mode: permissions,
            modified,
            needs: NEEDS_DEFLATE,
            flags: NAME_IS_UTF8,
            method: STORED,
            crc: 0,
            packed: 0,
            plain: 0,
            offset: self.out.bytes,
        };
        match kind {
            Kind::Directory => {
                entry.name.push('/');
                entry.mode |= 0o040_000;
                self.out.write_all(&entry.local()?)?;
            }
            Kind::Symlink(target) => {
                entry.mode |= 0o120_000;
                entry.crc = crc32(target);
                entry.plain = target.len() as u64;
                entry.packed = entry.plain;
                self.out.write_all(&entry.local()?)?;
                self.out.write_all(target)?;
            }
            Kind::File(content, size) => {
                entry.mode |= 0o100_000;
                entry.method = DEFLATED;
                entry.flags |= SIZES_FOLLOW;
                if size >= LARGE {
                    entry.needs = NEEDS_ZIP64;
                }
                self.out.write_all(&entry.local()?)?;
                let start = self.out.bytes;
                let mut deflate = Deflate::new(&mut self.out);
                io::copy(content, &mut deflate)?;
                (entry.crc, entry.plain) = deflate.finish()?;
                entry.packed = self.out.bytes - start;
                self.out.write_all(&entry.descriptor()?)?;
            }
        }
        self.directory.extend(entry.central()?);
        self.entries += 1;
        Ok(())
    }

    /// Writes the central directory, and gives the writer back.
    ///
    /// # Errors
    /// What writing fails with.
    pub fn finish(mut self) -> io::Result<W> {
        let (offset, size) = (self.out.bytes, self.directory.len() as u64);
        self.out.write_all(&self.directory)?;
        let mut end = Fields::default();
        let (few, near) = (u16::try_from(self.entries), u32::try_from(offset));
        if few.is_err() || near.is_err() || u32::try_from(size).is_err() {
            let record = self.out.bytes;
            end.u32(0x0606_4b50).u64(44).u16(MADE_BY_UNIX).u16(NEEDS_ZIP64).u32(0).u32(0);
            end.u64(self.entries).u64(self.entries).u64(size).u64(offset);
            end.u32(0x0706_4b50).u32(0).u64(record).u32(1);
        }
        let few = few.unwrap_or(u16::MAX);
        end.u32(0x0605_4b50).u16(0).u16(0).u16(few).u16(few);
        end.u32(capped(size)).u32(capped(offset)).u16(0);
        self.out.write_all(&end.0)?;
        Ok(self.out.out)
    }
}

struct Entry {
    name: String,
    /// POSIX: kind and permissions.
    mode: u32,
    modified: i64,
    needs: u16,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    plain: u64,
    /// Of its local header.
    offset: u64,
}

impl Entry {
    fn local(&self) -> io::Result<Vec<u8>> {
        let mut extra = self.times();
        let large = self.needs == NEEDS_ZIP64;
        if large {
            extra.u16(EXTRA_ZIP64).u16(16).u64(0).u64(0);
        }
        let mut fields = Fields::default();
        fields.u32(0x0403_4b50);
        self.common(self.needs, &mut fields);
        match large {
            true => fields.u32(0).u32(u32::MAX).u32(u32::MAX),
            false => fields.u32(self.crc).u32(capped(self.packed)).u32(capped(self.plain)),
        };
        self.lengths(&mut fields, &extra)?;
        Ok([&fields.0, self.name.as_bytes(), &extra.0].concat())
    }

    /// What follows content whose size was not known before it.
    fn descriptor(&self) -> io::Result<Vec<u8>> {
        let mut fields = Fields::default();
        fields.u32(0x0807_4b50).u32(self.crc);
        if self.needs == NEEDS_ZIP64 {
            fields.u64(self.packed).u64(self.plain);
        } else {
            let narrow = |size| u32::try_from(size).map_err(|_| invalid("grew past 4 GiB while it was read"));
            fields.u32(narrow(self.packed)?).u32(narrow(self.plain)?);
        }
        Ok(fields.0)
    }

    fn central(&self) -> io::Result<Vec<u8>> {
        let mut wide = Fields::default();
        for number in [self.plain, self.packed, self.offset] {
            if capped(number) == u32::MAX {
                wide.u64(number);
            }
        }
        let mut extra = self.times();
        let mut needs = self.needs;
        if !wide.0.is_empty() {
            needs = NEEDS_ZIP64;
            extra.u16(EXTRA_ZIP64).u16(length(&wide.0)?).0.extend(wide.0);
        }
        let mut fields = Fields::default();
        fields.u32(0x0201_4b50).u16(MADE_BY_UNIX);
        self.common(needs, &mut fields);
        fields.u32(self.crc).u32(capped(self.packed)).u32(capped(self.plain));
        self.lengths(&mut fields, &extra)?;
        // MS-DOS's own bit for directories, beside what Unix says.
        let dos = u32::from(self.mode & 0o170_000 == 0o040_000) << 4;
        fields.u16(0).u16(0).u16(0).u32(self.mode << 16 | dos).u32(capped(self.offset));
        Ok([&fields.0, self.name.as_bytes(), &extra.0].concat())
    }

    fn common(&self, needs: u16, fields: &mut Fields) {
        let (date, time) = dos_time(self.modified);
        fields.u16(needs).u16(self.flags).u16(self.method).u16(time).u16(date);
    }

    fn lengths(&self, fields: &mut Fields, extra: &Fields) -> io::Result<()> {
        fields.u16(length(self.name.as_bytes())?).u16(length(&extra.0)?);
        Ok(())
    }

    /// The time in UTC, which the fixed fields cannot say; it has 32 bits, to 2038.
    fn times(&self) -> Fields {
        let mut extra = Fields::default();
        if let Ok(seconds) = i32::try_from(self.modified) {
            extra.u16(EXTRA_TIMES).u16(5).0.push(1);
            extra.0.extend(seconds.to_le_bytes());
        }
        extra
    }
}

/// Date and time of MS-DOS (4.4.6), in steps of 2 s; 1980-01-01 for what it cannot say.
fn dos_time(unix: i64) -> (u16, u16) {
    let Some(at) =
        OffsetDateTime::from_unix_timestamp(unix).ok().filter(|at| (1980..=2107).contains(&at.year()))
    else {
        return (1 << 5 | 1, 0);
    };
    let years = u16::try_from(at.year() - 1980).unwrap_or_default();
    let date = years << 9 | u16::from(u8::from(at.month())) << 5 | u16::from(at.day());
    (date, u16::from(at.hour()) << 11 | u16::from(at.minute()) << 5 | u16::from(at.second() / 2))
}

/// In 32 bits, where the largest number means: see the extra field.
fn capped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn length(bytes: &[u8]) -> io::Result<u16> {
    u16::try_from(bytes.len()).map_err(|_| invalid("its name is longer than a zip file can hold"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Fields in a row, little-endian.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn u16(&mut self, number: u16) -> &mut Fields {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u32(&mut self, number: u32) -> &mut Fields {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(&mut self, number: u64) -> &mut Fields {
        self.0.extend(number.to_le_bytes());
        self
    }
}

/// A writer, and how many bytes went through.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_the_fixed_fields_cannot_say_are_their_first() {
        for (unix, expected) in [
            (0, (0x0021, 0)),
            (315_532_800, (0x0021, 0)),
            (1_700_000_001, (0x576e, 0xb1aa)),
            (4_354_819_199, (0xff9f, 0xbf7d)),
            (4_354_819_200, (0x0021, 0)),
            (i64::MAX, (0x0021, 0)),
        ] {
            assert_eq!(dos_time(unix), expected, "{unix}");
        }
    }

    #[test]
    fn content_that_outgrows_its_sizes_is_refused() {
        let mut entry = Entry {
            name: "x".to_owned(),
            mode: 0,
            modified: 0,
            needs: NEEDS_DEFLATE,
            flags: 0,
            method: DEFLATED,
            crc: 0,
            packed: 9,
            plain: 1 << 32,
            offset: 0,
        };
        assert_eq!(entry.descriptor().unwrap_err().kind(), io::ErrorKind::InvalidData);
        entry.needs = NEEDS_ZIP64;
        assert_eq!(entry.descriptor().unwrap().len(), 24);
        // Its one wide number and nothing else: sizes and places that fit are in the fixed fields.
        assert_eq!(entry.central().unwrap().len(), 46 + 1 + 9 + 4 + 8);
    }
}
