//! Facts of this host that a snapshot's header and a lock record.

use crate::ports::names::Names;
use std::collections::HashMap;

/// Largest account file read: far above any real one.
const ACCOUNT_BYTES_MAX: u64 = 64 << 20;

/// The node name, as `uname -n` prints it.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The systemd or D-Bus identity of this machine; empty where there is none.
pub fn machine_id() -> String {
    ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .find(|id| !id.is_empty())
        .unwrap_or_default()
}

/// Whoever runs this process: the account's name, or the number when it has none.
pub fn user_name(accounts: &Accounts) -> String {
    let uid = rustix::process::getuid().as_raw();
    match accounts.user(u64::from(uid)) {
        b"" => uid.to_string(),
        name => String::from_utf8_lossy(name).into_owned(),
    }
}

/// The operating system in the words of the format's other writers: `linux`.
pub fn operating_system() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// The processor in the words of the format's other writers: `amd64`, `arm64`.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// Cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Account names from `/etc/passwd` and `/etc/group`, read once.
///
/// Not `getpwuid`: a static program cannot load the C library's name services.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    users: HashMap<u64, Vec<u8>>,
    groups: HashMap<u64, Vec<u8>>,
}

impl Accounts {
    /// This host's. A file that cannot be read gives no names.
    pub fn load() -> Accounts {
        Accounts::parse(&read("/etc/passwd"), &read("/etc/group"))
    }

    /// From the text of the two files: `name:password:number:…` a line; the first line of a
    /// number counts.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Accounts {
        Accounts { users: numbered(passwd), groups: numbered(group) }
    }
}

impl Names for Accounts {
    fn user(&self, uid: u64) -> &[u8] {
        self.users.get(&uid).map_or(b"", Vec::as_slice)
    }

    fn group(&self, gid: u64) -> &[u8] {
        self.groups.get(&gid).map_or(b"", Vec::as_slice)
    }
}

fn read(path: &str) -> Vec<u8> {
    use std::io::Read;
    let mut text = Vec::new();
    let whole =
        std::fs::File::open(path).and_then(|file| file.take(ACCOUNT_BYTES_MAX).read_to_end(&mut text));
    whole.map(|_| text).unwrap_or_default()
}

fn numbered(text: &[u8]) -> HashMap<u64, Vec<u8>> {
    let mut names = HashMap::new();
    for line in text.split(|&b| b == b'\n') {
        let mut fields = line.split(|&b| b == b':');
        let (name, number) = (fields.next(), fields.nth(1));
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        if let (Some(name), Some(number)) = (name, number)
            && !name.is_empty()
        {
            names.entry(number).or_insert_with(|| name.to_vec());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::Accounts;
    use crate::ports::names::Names;

    #[test]
    fn names_come_from_the_first_line_with_the_number() {
        let accounts = Accounts::parse(
            b"root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n# note\n\n+nis\nb\xffb:x:1000:1000::/:\n:x:7:7::/:",
            b"root:x:0:\nstaff:*:50:alice,bob\nodd:x:notanumber:\n",
        );
        let cases: [(u64, &[u8], &[u8]); 5] = [
            (0, b"root", b"root"),
            (1000, b"b\xffb", b""),
            (50, b"", b"staff"),
            (7, b"", b""),
            (1, b"", b""),
        ];
        for (number, user, group) in cases {
            assert_eq!((accounts.user(number), accounts.group(number)), (user, group), "{number}");
        }
    }
}
