//! The part of MessagePack that Kloset uses, spelled as Go's encoder spells it (FORMAT.md, "MessagePack").

use crate::base::limits::MSGPACK_DEPTH_MAX;
use crate::base::stamp::Stamp;
use std::fmt;

/// Appends values to a byte string.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Nothing written yet.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// As [`Writer::new`], with room for `bytes` before anything is moved.
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer(Vec::with_capacity(bytes))
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Starts a map of `len` pairs.
    pub fn map(&mut self, len: usize) {
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(len @ 0..=15), _) => self.0.push(0x80 | len),
            (_, Ok(len)) => self.tagged(0xde, &len.to_be_bytes()),
            _ => self.tagged(0xdf, &length(len).to_be_bytes()),
        }
    }

    /// Starts an array of `len` items.
    pub fn array(&mut self, len: usize) {
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(len @ 0..=15), _) => self.0.push(0x90 | len),
            (_, Ok(len)) => self.tagged(0xdc, &len.to_be_bytes()),
            _ => self.tagged(0xdd, &length(len).to_be_bytes()),
        }
    }

    /// A string; any bytes.
    pub fn str(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(len @ 0..=31), _) => self.0.push(0xa0 | len),
            (Ok(len), _) => self.tagged(0xd9, &[len]),
            (_, Ok(len)) => self.tagged(0xda, &len.to_be_bytes()),
            _ => self.tagged(0xdb, &length(text.len()).to_be_bytes()),
        }
        self.0.extend_from_slice(text);
    }

    /// A byte string.
    pub fn bin(&mut self, bytes: &[u8]) {
        match (u8::try_from(bytes.len()), u16::try_from(bytes.len())) {
            (Ok(len), _) => self.tagged(0xc4, &[len]),
            (_, Ok(len)) => self.tagged(0xc5, &len.to_be_bytes()),
            _ => self.tagged(0xc6, &length(bytes.len()).to_be_bytes()),
        }
        self.0.extend_from_slice(bytes);
    }

    /// Nothing.
    pub fn nil(&mut self) {
        self.0.push(0xc0);
    }

    /// True or false.
    pub fn bool(&mut self, value: bool) {
        self.0.push(if value { 0xc3 } else { 0xc2 });
    }

    /// Always two bytes.
    pub fn u8(&mut self, value: u8) {
        self.tagged(0xcc, &[value]);
    }

    /// Always three bytes.
    pub fn u16(&mut self, value: u16) {
        self.tagged(0xcd, &value.to_be_bytes());
    }

    /// Always five bytes.
    pub fn u32(&mut self, value: u32) {
        self.tagged(0xce, &value.to_be_bytes());
    }

    /// Always nine bytes.
    pub fn u64(&mut self, value: u64) {
        self.tagged(0xcf, &value.to_be_bytes());
    }

    /// Always nine bytes.
    pub fn i64(&mut self, value: i64) {
        self.tagged(0xd3, &value.to_be_bytes());
    }

    /// Always nine bytes.
    pub fn f64(&mut self, value: f64) {
        self.tagged(0xcb, &value.to_be_bytes());
    }

    /// Go's `int`: as few bytes as it takes.
    pub fn int(&mut self, value: i64) {
        match value {
            0..=0x7f => self.0.push(value as u8),
            0x80..=0xff => self.u8(value as u8),
            0x100..=0xffff => self.u16(value as u16),
            0x1_0000..=0xffff_ffff => self.u32(value as u32),
            0x1_0000_0000.. => self.u64(value as u64),
            -32..=-1 => self.0.push(value as u8),
            -0x80..=-33 => self.tagged(0xd0, &(value as i8).to_be_bytes()),
            -0x8000..=-0x81 => self.tagged(0xd1, &(value as i16).to_be_bytes()),
            -0x8000_0000..=-0x8001 => self.tagged(0xd2, &(value as i32).to_be_bytes()),
            _ => self.i64(value),
        }
    }

    /// An instant, as extension type -1.
    pub fn time(&mut self, time: Stamp) {
        match u64::try_from(time.secs) {
            Ok(secs) if secs >> 34 == 0 => {
                let packed = u64::from(time.nanos) << 34 | secs;
                match u32::try_from(packed) {
                    Ok(short) => {
                        self.0.extend_from_slice(&[0xd6, 0xff]);
                        self.0.extend_from_slice(&short.to_be_bytes());
                    }
                    Err(_) => {
                        self.0.extend_from_slice(&[0xd7, 0xff]);
                        self.0.extend_from_slice(&packed.to_be_bytes());
                    }
                }
            }
            _ => {
                self.0.extend_from_slice(&[0xc7, 12, 0xff]);
                self.0.extend_from_slice(&time.nanos.to_be_bytes());
                self.0.extend_from_slice(&time.secs.to_be_bytes());
            }
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(bytes);
    }
}

/// MessagePack has no lengths beyond 32 bits; nothing this program writes comes near.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// What is wrong with MessagePack bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsgpackError(pub String);

impl fmt::Display for MsgpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Read<T> = Result<T, MsgpackError>;

fn fault<T>(text: impl Into<String>) -> Read<T> {
    Err(MsgpackError(text.into()))
}

/// Takes values off the front of a byte string. Lenient as Go's decoder: any integer width, nil for
/// any scalar, strings for byte strings and the other way round.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => fault(format!("ends early: {len} bytes wanted, {} left", self.rest.len())),
        }
    }

    fn array_of<const N: usize>(&mut self) -> Read<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => fault(format!("ends early: {N} bytes wanted, {} left", self.rest.len())),
        }
    }

    fn tag(&mut self) -> Read<u8> {
        self.array_of::<1>().map(|[tag]| tag)
    }

    fn len8(&mut self) -> Read<usize> {
        self.array_of::<1>().map(|[len]| usize::from(len))
    }

    fn len16(&mut self) -> Read<usize> {
        self.array_of().map(|len| usize::from(u16::from_be_bytes(len)))
    }

    fn len32(&mut self) -> Read<usize> {
        // On 32-bit machines and above a u32 fits usize.
        self.array_of().map(|len| u32::from_be_bytes(len) as usize)
    }

    /// Whether the next value is nil; takes it if so.
    pub fn nil(&mut self) -> bool {
        let is_nil = self.rest.first() == Some(&0xc0);
        if is_nil {
            self.rest = self.rest.get(1..).unwrap_or(&[]);
        }
        is_nil
    }

    /// Number of pairs of a map; nil is 0.
    ///
    /// # Errors
    /// Another type, or a count that cannot fit what is left.
    pub fn map(&mut self) -> Read<usize> {
        let len = match self.tag()? {
            0xc0 => 0,
            tag @ 0x80..=0x8f => usize::from(tag & 0x0f),
            0xde => self.len16()?,
            0xdf => self.len32()?,
            tag => return fault(format!("a map wanted, type {tag:#04x} found")),
        };
        self.plausible(len, 2)
    }

    /// Number of items of an array; nil is 0.
    ///
    /// # Errors
    /// Another type, or a count that cannot fit what is left.
    pub fn array(&mut self) -> Read<usize> {
        let len = match self.tag()? {
            0xc0 => 0,
            tag @ 0x90..=0x9f => usize::from(tag & 0x0f),
            0xdc => self.len16()?,
            0xdd => self.len32()?,
            tag => return fault(format!("an array wanted, type {tag:#04x} found")),
        };
        self.plausible(len, 1)
    }

    /// Every item takes a byte at least, so a larger count is a lie.
    fn plausible(&self, len: usize, bytes_each: usize) -> Read<usize> {
        if len > self.rest.len() / bytes_each {
            return fault(format!("{len} items announced, {} bytes left", self.rest.len()));
        }
        Ok(len)
    }

    /// A string or byte string; nil is empty.
    ///
    /// # Errors
    /// Another type, or too short.
    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let len = match self.tag()? {
            0xc0 => 0,
            tag @ 0xa0..=0xbf => usize::from(tag & 0x1f),
            0xc4 | 0xd9 => self.len8()?,
            0xc5 | 0xda => self.len16()?,
            0xc6 | 0xdb => self.len32()?,
            tag => return fault(format!("a string wanted, type {tag:#04x} found")),
        };
        self.take(len)
    }

    /// An integer of any width, or nil for 0, as i128 so that all of u64 and i64 fits.
    ///
    /// # Errors
    /// Another type.
    pub fn integer(&mut self) -> Read<i128> {
        Ok(match self.tag()? {
            0xc0 => 0,
            tag @ 0..=0x7f => i128::from(tag),
            tag @ 0xe0..=0xff => i128::from(tag.cast_signed()),
            0xcc => i128::from(u8::from_be_bytes(self.array_of()?)),
            0xcd => i128::from(u16::from_be_bytes(self.array_of()?)),
            0xce => i128::from(u32::from_be_bytes(self.array_of()?)),
            0xcf => i128::from(u64::from_be_bytes(self.array_of()?)),
            0xd0 => i128::from(i8::from_be_bytes(self.array_of()?)),
            0xd1 => i128::from(i16::from_be_bytes(self.array_of()?)),
            0xd2 => i128::from(i32::from_be_bytes(self.array_of()?)),
            0xd3 => i128::from(i64::from_be_bytes(self.array_of()?)),
            tag => return fault(format!("a number wanted, type {tag:#04x} found")),
        })
    }

    /// An integer that must fit `T`.
    ///
    /// # Errors
    /// Another type, or out of range.
    pub fn number<T: TryFrom<i128>>(&mut self) -> Read<T> {
        let value = self.integer()?;
        T::try_from(value).or_else(|_| fault(format!("{value} is out of range")))
    }

    /// A float; integers and nil are accepted.
    ///
    /// # Errors
    /// Another type.
    pub fn f64(&mut self) -> Read<f64> {
        match self.rest.first() {
            Some(0xcb) => {
                self.tag()?;
                self.array_of().map(f64::from_be_bytes)
            }
            Some(0xca) => {
                self.tag()?;
                self.array_of().map(|bytes| f64::from(f32::from_be_bytes(bytes)))
            }
            _ => self.integer().map(|value| value as f64),
        }
    }

    /// A boolean; nil is false.
    ///
    /// # Errors
    /// Another type.
    pub fn bool(&mut self) -> Read<bool> {
        match self.tag()? {
            0xc0 | 0xc2 => Ok(false),
            0xc3 => Ok(true),
            tag => fault(format!("a boolean wanted, type {tag:#04x} found")),
        }
    }

    /// An instant in extension type -1; nil is the zero of [`Stamp`].
    ///
    /// # Errors
    /// Another type, or nanoseconds beyond a second.
    pub fn time(&mut self) -> Read<Stamp> {
        let stamp = match self.tag()? {
            0xc0 => Stamp::default(),
            0xd6 => {
                self.timestamp_type()?;
                Stamp { secs: i64::from(u32::from_be_bytes(self.array_of()?)), nanos: 0 }
            }
            0xd7 => {
                self.timestamp_type()?;
                let packed = u64::from_be_bytes(self.array_of()?);
                let (nanos, secs) = ((packed >> 34) as u32, (packed & ((1 << 34) - 1)) as i64);
                Stamp { secs, nanos }
            }
            0xc7 => {
                if self.tag()? != 12 {
                    return fault("a time of unknown length");
                }
                self.timestamp_type()?;
                let nanos = u32::from_be_bytes(self.array_of()?);
                Stamp { secs: i64::from_be_bytes(self.array_of()?), nanos }
            }
            tag => return fault(format!("a time wanted, type {tag:#04x} found")),
        };
        if stamp.nanos > 999_999_999 {
            return fault(format!("a time with {} nanoseconds", stamp.nanos));
        }
        Ok(stamp)
    }

    fn timestamp_type(&mut self) -> Read<()> {
        match self.tag()? {
            0xff => Ok(()),
            other => fault(format!("extension type {other:#04x} is not a time")),
        }
    }

    /// Passes over one value of any type.
    ///
    /// # Errors
    /// Truncated, or nested too deeply.
    pub fn skip(&mut self) -> Read<()> {
        self.skip_at(0)
    }

    fn skip_at(&mut self, depth: usize) -> Read<()> {
        if depth > MSGPACK_DEPTH_MAX {
            return fault("nested too deeply");
        }
        let len = match self.tag()? {
            0..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 0,
            tag @ 0x80..=0x8f => return self.skip_many(usize::from(tag & 0x0f) * 2, depth),
            tag @ 0x90..=0x9f => return self.skip_many(usize::from(tag & 0x0f), depth),
            tag @ 0xa0..=0xbf => usize::from(tag & 0x1f),
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 => 2,
            0xca | 0xce | 0xd2 => 4,
            0xcb | 0xcf | 0xd3 => 8,
            0xc4 | 0xd9 => self.len8()?,
            0xc5 | 0xda => self.len16()?,
            0xc6 | 0xdb => self.len32()?,
            0xc7 => self.len8()? + 1,
            0xc8 => self.len16()? + 1,
            0xc9 => self.len32()?.saturating_add(1),
            tag @ 0xd4..=0xd8 => 1 + (1 << (tag - 0xd4)),
            0xdc => {
                let len = self.len16()?;
                return self.skip_many(len, depth);
            }
            0xdd => {
                let len = self.len32()?;
                return self.skip_many(len, depth);
            }
            0xde => {
                let len = self.len16()?;
                return self.skip_many(len * 2, depth);
            }
            0xdf => {
                let len = self.len32()?;
                return self.skip_many(len.saturating_mul(2), depth);
            }
            0xc1 => return fault("type 0xc1 does not exist"),
        };
        self.take(len).map(|_| ())
    }

    fn skip_many(&mut self, count: usize, depth: usize) -> Read<()> {
        for _ in 0..self.plausible(count, 1)? {
            self.skip_at(depth + 1)?;
        }
        Ok(())
    }
}
