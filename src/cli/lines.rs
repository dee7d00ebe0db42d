//! Lines of `ls`, `rm` and `prune`.

use crate::base::file::FileInfo;
use crate::base::stamp::Stamp;
use crate::cli::gotime;
use crate::cli::human;

/// What a line says of a snapshot.
pub struct SnapshotLine<'a> {
    /// When it was made.
    pub timestamp: Stamp,
    /// Eight digits or all 64.
    pub id: String,
    /// Content bytes.
    pub size: u64,
    /// How long it took; `None` leaves the column out.
    pub duration_ns: Option<i64>,
    /// Its root directory.
    pub root: &'a [u8],
    /// Shown behind the root when there are any.
    pub tags: &'a [String],
}

impl SnapshotLine<'_> {
    /// `2025-11-30T09:43:33Z   8cbb1a3f   3.1 MiB        1s /etc tags=daily,web`.
    pub fn format(&self) -> Vec<u8> {
        let id = if self.id.len() > 10 { self.id.clone() } else { format!("{:>10}", self.id) };
        let mut line = format!("{} {id}{:>10}", gotime::rfc3339(self.timestamp), human::bytes(self.size));
        if let Some(duration_ns) = self.duration_ns {
            line += &format!("{:>10}", gotime::duration_in_seconds(duration_ns));
        }
        let mut line = line.into_bytes();
        line.push(b' ');
        line.extend_from_slice(self.root);
        if !self.tags.is_empty() {
            line.extend_from_slice(format!(" tags={}", self.tags.join(",")).as_bytes());
        }
        line
    }
}

/// `2025-11-02T08:00:00Z -rw-r--r--     root     root     213 B hosts`, a link's target behind
/// ` -> `.
pub fn entry(info: &FileInfo, user: &str, group: &str, name: &[u8], target: &[u8]) -> Vec<u8> {
    let size = human::bytes(u64::try_from(info.size).unwrap_or(0));
    let mut line = format!(
        "{} {} {user:>8} {group:>8} {size:>8} ",
        gotime::rfc3339(info.mod_time),
        gotime::mode(info.mode)
    )
    .into_bytes();
    line.extend_from_slice(name);
    if info.mode.is_symlink() {
        line.extend_from_slice(b" -> ");
        line.extend_from_slice(target);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::file::Mode;

    #[test]
    fn snapshot_lines_are_the_reference_ones() {
        let mut line = SnapshotLine {
            timestamp: Stamp { secs: 1_764_495_813, nanos: 123 },
            id: "8cbb1a3f".to_owned(),
            size: 3_250_586,
            duration_ns: Some(694_803_303),
            root: b"/etc",
            tags: &[],
        };
        assert_eq!(line.format(), b"2025-11-30T09:43:33Z   8cbb1a3f   3.1 MiB        1s /etc");
        let tags = ["daily".to_owned(), "web".to_owned()];
        line.tags = &tags;
        assert_eq!(line.format(), b"2025-11-30T09:43:33Z   8cbb1a3f   3.1 MiB        1s /etc tags=daily,web");
        line.tags = &[];
        line.id = "8cbb1a3fe1d9ba6f9eb0f6bf3f7a4cc18cbb1a3fe1d9ba6f9eb0f6bf3f7a4cc1".to_owned();
        assert_eq!(
            String::from_utf8(line.format()).unwrap(),
            "2025-11-30T09:43:33Z 8cbb1a3fe1d9ba6f9eb0f6bf3f7a4cc18cbb1a3fe1d9ba6f9eb0f6bf3f7a4cc1   3.1 MiB        \
             1s /etc"
        );
    }

    #[test]
    fn entry_lines_are_the_reference_ones() {
        let info = |mode: u32, size: i64| FileInfo {
            size,
            mode: Mode::from_posix(mode),
            mod_time: Stamp { secs: 1_762_070_400, nanos: 5 },
            ..FileInfo::default()
        };
        let cases: [(FileInfo, &[u8], &[u8], &str); 3] = [
            (
                info(0o100_644, 213),
                b"hosts",
                b"",
                "2025-11-02T08:00:00Z -rw-r--r--     root     root    213 B hosts",
            ),
            (
                info(0o040_755, 4096),
                b"ssl",
                b"",
                "2025-11-02T08:00:00Z drwxr-xr-x     root     root  4.0 KiB ssl",
            ),
            (
                info(0o120_777, 19),
                b"mtab",
                b"../proc/self/mounts",
                "2025-11-02T08:00:00Z Lrwxrwxrwx     root     root     19 B mtab -> ../proc/self/mounts",
            ),
        ];
        for (info, name, target, line) in cases {
            assert_eq!(String::from_utf8(entry(&info, "root", "root", name, target)).unwrap(), line);
        }
    }
}
