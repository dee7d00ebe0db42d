//! Totals of a directory: its own entries, and everything below (FORMAT.md, "Summary").

use crate::algo::msgpack::{Reader, Writer};
use crate::base::file::{FileInfo, Mode};
use crate::format::error::FormatError;
use crate::format::fields::{self, field};

/// One set of totals. Zero means "unset" in every minimum and maximum.
#[derive(Clone, Debug, PartialEq, Default)]
#[expect(missing_docs, reason = "each field is the one of that name in the format")]
pub struct Totals {
    pub directories: u64,
    pub files: u64,
    pub symlinks: u64,
    pub devices: u64,
    pub pipes: u64,
    pub sockets: u64,
    pub children: u64,
    pub setuid: u64,
    pub setgid: u64,
    pub sticky: u64,
    pub objects: u64,
    pub chunks: u64,
    pub min_size: u64,
    pub max_size: u64,
    pub avg_size: u64,
    pub size: u64,
    pub min_mod_time: i64,
    pub max_mod_time: i64,
    pub min_entropy: f64,
    pub max_entropy: f64,
    pub sum_entropy: f64,
    pub avg_entropy: f64,
    pub hi_entropy: u64,
    pub lo_entropy: u64,
    pub mime_audio: u64,
    pub mime_video: u64,
    pub mime_image: u64,
    pub mime_text: u64,
    pub mime_application: u64,
    pub mime_other: u64,
    pub errors: u64,
}

/// What a file adds to its directory's totals, beyond its [`FileInfo`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContentFacts<'a> {
    /// MIME type.
    pub content_type: &'a str,
    /// Bits per byte.
    pub entropy: f64,
    /// Number of chunks; `None` for what has no content.
    pub chunks: Option<u64>,
}

/// Totals of one directory.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Summary {
    /// Direct entries.
    pub directory: Totals,
    /// Everything deeper.
    pub below: Totals,
}

fn least<T: PartialOrd + Default + Copy>(least: &mut T, value: T) {
    if *least == T::default() || value < *least {
        *least = value;
    }
}

fn most<T: PartialOrd + Default + Copy>(most: &mut T, value: T) {
    if *most == T::default() || value > *most {
        *most = value;
    }
}

impl Summary {
    /// Adds a direct entry that is not a directory.
    pub fn add_file(&mut self, info: &FileInfo, content: ContentFacts<'_>) {
        let t = &mut self.directory;
        let size = u64::try_from(info.size).unwrap_or(0);
        t.children += 1;
        let bits = info.mode.0;
        let kind = if info.mode.is_regular() {
            &mut t.files
        } else if bits & Mode::SYMLINK != 0 {
            &mut t.symlinks
        } else if bits & Mode::DEVICE != 0 {
            &mut t.devices
        } else if bits & Mode::NAMED_PIPE != 0 {
            &mut t.pipes
        } else if bits & Mode::SOCKET != 0 {
            &mut t.sockets
        } else {
            &mut t.files
        };
        *kind += 1;
        for (bit, counter) in
            [(Mode::SETUID, &mut t.setuid), (Mode::SETGID, &mut t.setgid), (Mode::STICKY, &mut t.sticky)]
        {
            *counter += u64::from(bits & bit != 0);
        }
        if let Some(chunks) = content.chunks {
            t.objects += 1;
            t.chunks = t.chunks.saturating_add(chunks);
        }
        least(&mut t.min_mod_time, info.mod_time.secs);
        most(&mut t.max_mod_time, info.mod_time.secs);
        least(&mut t.min_size, size);
        most(&mut t.max_size, size);
        least(&mut t.min_entropy, content.entropy);
        most(&mut t.max_entropy, content.entropy);
        if content.entropy <= 2.0 {
            t.lo_entropy += 1;
        } else if content.entropy >= 7.0 {
            t.hi_entropy += 1;
        }
        let family = match content.content_type.split('/').next().unwrap_or("") {
            "text" => &mut t.mime_text,
            "image" => &mut t.mime_image,
            "audio" => &mut t.mime_audio,
            "video" => &mut t.mime_video,
            "application" => &mut t.mime_application,
            _ => &mut t.mime_other,
        };
        *family += 1;
        t.size = t.size.saturating_add(size);
        t.sum_entropy += content.entropy;
    }

    /// Adds a direct directory with its final totals.
    pub fn add_directory(&mut self, child: &Summary) {
        self.directory.children += 1;
        self.directory.directories += 1;
        let b = &mut self.below;
        for c in [&child.below, &child.directory] {
            for (sum, more) in [
                (&mut b.directories, c.directories),
                (&mut b.files, c.files),
                (&mut b.symlinks, c.symlinks),
                (&mut b.devices, c.devices),
                (&mut b.pipes, c.pipes),
                (&mut b.sockets, c.sockets),
                (&mut b.children, c.children),
                (&mut b.setuid, c.setuid),
                (&mut b.setgid, c.setgid),
                (&mut b.sticky, c.sticky),
                (&mut b.objects, c.objects),
                (&mut b.chunks, c.chunks),
                (&mut b.size, c.size),
                (&mut b.hi_entropy, c.hi_entropy),
                (&mut b.lo_entropy, c.lo_entropy),
                (&mut b.mime_audio, c.mime_audio),
                (&mut b.mime_video, c.mime_video),
                (&mut b.mime_image, c.mime_image),
                (&mut b.mime_text, c.mime_text),
                (&mut b.mime_application, c.mime_application),
                (&mut b.mime_other, c.mime_other),
                (&mut b.errors, c.errors),
            ] {
                *sum = sum.saturating_add(more);
            }
            least(&mut b.min_size, c.min_size);
            most(&mut b.max_size, c.max_size);
            least(&mut b.min_mod_time, c.min_mod_time);
            most(&mut b.max_mod_time, c.max_mod_time);
            least(&mut b.min_entropy, c.min_entropy);
            most(&mut b.max_entropy, c.max_entropy);
        }
    }

    /// Fills in the averages, and the errors recorded right in this directory.
    pub fn finish(&mut self, errors: u64) {
        self.below.errors = self.below.errors.saturating_add(errors);
        let t = &mut self.directory;
        if let Some(avg_size) = t.size.checked_div(t.files) {
            t.avg_size = avg_size;
            t.avg_entropy = t.sum_entropy / t.files as f64;
        }
    }

    /// Bytes of all files and links, here and below.
    pub fn total_size(&self) -> u64 {
        self.directory.size.saturating_add(self.below.size)
    }

    /// Errors recorded here and below.
    pub fn total_errors(&self) -> u64 {
        self.directory.errors.saturating_add(self.below.errors)
    }

    /// Writes the map.
    pub fn write(&self, w: &mut Writer) {
        let directory = values(&self.directory, true);
        w.map(usize::from(!directory.is_empty()) + 1);
        if !directory.is_empty() {
            w.str("directory");
            write_totals(w, &directory);
        }
        w.str("below");
        write_totals(w, &values(&self.below, false));
    }

    /// The blob, as v1.1 stores keep it.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish()
    }

    /// Reads the map.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn read(r: &mut Reader<'_>) -> Result<Summary, FormatError> {
        let mut summary = Summary::default();
        fields::map("summary", r, |key, r| match key {
            "directory" => read_totals(r, &mut summary.directory).map(|()| true),
            "below" => read_totals(r, &mut summary.below).map(|()| true),
            _ => Ok(false),
        })?;
        Ok(summary)
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// As [`Summary::read`].
    pub fn decode(bytes: &[u8]) -> Result<Summary, FormatError> {
        Summary::read(&mut Reader::new(bytes))
    }
}

#[derive(Clone, Copy)]
enum Value {
    Count(u64),
    Time(i64),
    Bits(f64),
}

impl Value {
    fn is_zero(self) -> bool {
        match self {
            Value::Count(n) => n == 0,
            Value::Time(n) => n == 0,
            Value::Bits(n) => n == 0.0,
        }
    }
}

/// The fields that are written: all but zeros, and `errors` of `below` always.
fn values(t: &Totals, own: bool) -> Vec<(&'static str, Value)> {
    use Value::{Bits, Count, Time};
    let all = [
        ("directories", Count(t.directories)),
        ("files", Count(t.files)),
        ("symlinks", Count(t.symlinks)),
        ("devices", Count(t.devices)),
        ("pipes", Count(t.pipes)),
        ("sockets", Count(t.sockets)),
        ("children", Count(t.children)),
        ("setuid", Count(t.setuid)),
        ("setgid", Count(t.setgid)),
        ("sticky", Count(t.sticky)),
        ("objects", Count(t.objects)),
        ("chunks", Count(t.chunks)),
        ("min_size", Count(t.min_size)),
        ("max_size", Count(t.max_size)),
        ("avg_size", Count(t.avg_size)),
        ("size", Count(t.size)),
        ("min_mod_time", Time(t.min_mod_time)),
        ("max_mod_time", Time(t.max_mod_time)),
        ("min_entropy", Bits(t.min_entropy)),
        ("max_entropy", Bits(t.max_entropy)),
        ("sum_entropy", Bits(t.sum_entropy)),
        ("avg_entropy", Bits(t.avg_entropy)),
        ("hi_entropy", Count(t.hi_entropy)),
        ("lo_entropy", Count(t.lo_entropy)),
        ("MIME_audio", Count(t.mime_audio)),
        ("MIME_video", Count(t.mime_video)),
        ("MIME_image", Count(t.mime_image)),
        ("MIME_text", Count(t.mime_text)),
        ("MIME_application", Count(t.mime_application)),
        ("MIME_other", Count(t.mime_other)),
        ("errors", Count(t.errors)),
    ];
    let only_own = ["avg_size", "sum_entropy", "avg_entropy"];
    all.into_iter()
        .filter(|(name, value)| !value.is_zero() || (!own && *name == "errors"))
        .filter(|(name, _)| own || !only_own.contains(name))
        .collect()
}

fn write_totals(w: &mut Writer, values: &[(&'static str, Value)]) {
    w.map(values.len());
    for (name, value) in values {
        w.str(name);
        match value {
            Value::Count(n) => w.u64(*n),
            Value::Time(n) => w.i64(*n),
            Value::Bits(n) => w.f64(*n),
        }
    }
}

fn read_totals(r: &mut Reader<'_>, t: &mut Totals) -> Result<(), FormatError> {
    const WHAT: &str = "summary";
    fields::map(WHAT, r, |key, r| {
        let count = match key {
            "directories" => &mut t.directories,
            "files" => &mut t.files,
            "symlinks" => &mut t.symlinks,
            "devices" => &mut t.devices,
            "pipes" => &mut t.pipes,
            "sockets" => &mut t.sockets,
            "children" => &mut t.children,
            "setuid" => &mut t.setuid,
            "setgid" => &mut t.setgid,
            "sticky" => &mut t.sticky,
            "objects" => &mut t.objects,
            "chunks" => &mut t.chunks,
            "min_size" => &mut t.min_size,
            "max_size" => &mut t.max_size,
            "avg_size" => &mut t.avg_size,
            "size" => &mut t.size,
            "hi_entropy" => &mut t.hi_entropy,
            "lo_entropy" => &mut t.lo_entropy,
            "MIME_audio" => &mut t.mime_audio,
            "MIME_video" => &mut t.mime_video,
            "MIME_image" => &mut t.mime_image,
            "MIME_text" => &mut t.mime_text,
            "MIME_application" => &mut t.mime_application,
            "MIME_other" => &mut t.mime_other,
            "errors" => &mut t.errors,
            "min_mod_time" => return field!(WHAT, key, t.min_mod_time, r.number()),
            "max_mod_time" => return field!(WHAT, key, t.max_mod_time, r.number()),
            "min_entropy" => return field!(WHAT, key, t.min_entropy, r.f64()),
            "max_entropy" => return field!(WHAT, key, t.max_entropy, r.f64()),
            "sum_entropy" => return field!(WHAT, key, t.sum_entropy, r.f64()),
            "avg_entropy" => return field!(WHAT, key, t.avg_entropy, r.f64()),
            _ => return Ok(false),
        };
        field!(WHAT, key, *count, r.number())
    })
}
