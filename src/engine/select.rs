//! Which snapshots a command means: prefixes, paths and filters.

use crate::base::mac::Mac;
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::format::snapshot::Header;

/// What selecting needs to know of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    /// Its id.
    pub id: Mac,
    /// When it was made.
    pub timestamp: Stamp,
    /// As in the header.
    pub name: String,
    /// As in the header.
    pub category: String,
    /// As in the header.
    pub environment: String,
    /// As in the header.
    pub perimeter: String,
    /// As in the header.
    pub job: String,
    /// As in the header.
    pub tags: Vec<String>,
    /// The root directory of every source.
    pub roots: Vec<Vec<u8>>,
}

impl From<&Header> for Facts {
    fn from(header: &Header) -> Facts {
        Facts {
            id: header.identifier,
            timestamp: header.timestamp,
            name: header.name.clone(),
            category: header.category.clone(),
            environment: header.environment.clone(),
            perimeter: header.perimeter.clone(),
            job: header.job.clone(),
            tags: header.tags.clone(),
            roots: header.sources.iter().map(|source| source.directory.clone()).collect(),
        }
    }
}

/// `SNAPSHOT[:PATH]` as typed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Argument {
    /// First digits of the id, in lower case; empty matches every snapshot.
    pub prefix: String,
    /// What follows the first colon, or the whole word when it begins with `/`; empty when there
    /// is none.
    pub path: Vec<u8>,
}

impl Argument {
    /// Cuts the word.
    pub fn parse(word: &[u8]) -> Argument {
        if word.first() == Some(&b'/') {
            return Argument { prefix: String::new(), path: word.to_vec() };
        }
        let mut halves = word.splitn(2, |&byte| byte == b':');
        let prefix = halves.next().unwrap_or_default();
        Argument {
            prefix: String::from_utf8_lossy(prefix).to_ascii_lowercase(),
            path: halves.next().unwrap_or_default().to_vec(),
        }
    }

    /// The path inside a snapshot with that root: absolute paths as they are, others below the root.
    pub fn resolve(&self, root: &[u8]) -> Vec<u8> {
        if self.path.first() == Some(&b'/') {
            return path::clean(&self.path);
        }
        path::clean(&[root, b"/", &self.path].concat())
    }
}

/// Why a prefix does not name one snapshot. Printed as is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOne {
    /// Nothing begins so.
    None(String),
    /// So many begin so.
    Many(String, usize),
}

impl std::fmt::Display for NotOne {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotOne::None(prefix) => write!(f, "no snapshot has prefix: {prefix}"),
            NotOne::Many(prefix, count) => {
                write!(f, "snapshot ID is ambiguous: {prefix} (matches {count} snapshots)")
            }
        }
    }
}

impl std::error::Error for NotOne {}

/// Whether the id begins with those digits.
pub fn has_prefix(id: &Mac, prefix: &str) -> bool {
    id.to_string().starts_with(prefix)
}

/// Every id that begins with those digits, in the given order: `check`, `sync`, `rm`, `locate`.
pub fn every(ids: &[Mac], prefix: &str) -> Vec<Mac> {
    ids.iter().filter(|id| has_prefix(id, prefix)).copied().collect()
}

/// The one id that begins with those digits: `ls`, `cat`, `diff`, `info`, `archive`, `digest`,
/// `dup`.
///
/// # Errors
/// None, or several.
pub fn unique(ids: &[Mac], prefix: &str) -> Result<Mac, NotOne> {
    match every(ids, prefix).as_slice() {
        [] => Err(NotOne::None(prefix.to_owned())),
        [id] => Ok(*id),
        several => Err(NotOne::Many(prefix.to_owned(), several.len())),
    }
}

/// The generic filters. All given ones must hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filters {
    /// Not after this moment.
    pub before: Option<Stamp>,
    /// Not before this moment.
    pub since: Option<Stamp>,
    /// Exactly this name; empty means any, here and in the next four.
    pub name: String,
    /// Exactly this category.
    pub category: String,
    /// Exactly this environment.
    pub environment: String,
    /// Exactly this perimeter.
    pub perimeter: String,
    /// Exactly this job.
    pub job: String,
    /// All of these root directories.
    pub roots: Vec<Vec<u8>>,
    /// All of these tags.
    pub tags: Vec<String>,
    /// None of these tags.
    pub without_tags: Vec<String>,
    /// Any of these id prefixes; empty means any id.
    pub prefixes: Vec<String>,
    /// Only the newest of what the others left.
    pub latest: bool,
}

impl Filters {
    /// Adds the value of one `-tag`: a comma list, in which `!x` excludes.
    pub fn add_tags(&mut self, list: &str) {
        for tag in list.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            match tag.strip_prefix('!') {
                Some(excluded) => self.without_tags.push(excluded.to_owned()),
                None => self.tags.push(tag.to_owned()),
            }
        }
    }

    /// Adds the value of one `-root`: a comma list.
    pub fn add_roots(&mut self, list: &[u8]) {
        let roots = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        self.roots.extend(roots.filter(|root| !root.is_empty()).map(<[u8]>::to_vec));
    }

    /// Whether nothing selects, as `rm` and `prune` ask. Excluding a tag alone selects nothing.
    pub fn select_nothing(&self) -> bool {
        let without = Filters { without_tags: self.without_tags.clone(), ..Filters::default() };
        *self == without
    }

    /// Whether the snapshot passes every filter but `latest`, which needs to see all of them.
    pub fn pass(&self, facts: &Facts) -> bool {
        let same = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        (self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| has_prefix(&facts.id, prefix)))
            && self.before.is_none_or(|limit| facts.timestamp <= limit)
            && self.since.is_none_or(|limit| facts.timestamp >= limit)
            && same(&self.name, &facts.name)
            && same(&self.category, &facts.category)
            && same(&self.environment, &facts.environment)
            && same(&self.perimeter, &facts.perimeter)
            && same(&self.job, &facts.job)
            && self.roots.iter().all(|root| facts.roots.contains(root))
            && self.tags.iter().all(|tag| facts.tags.contains(tag))
            && !self.without_tags.iter().any(|tag| facts.tags.contains(tag))
    }

    /// Those that pass, newest first; at one moment, by id.
    pub fn apply<'a>(&self, all: impl IntoIterator<Item = &'a Facts>) -> Vec<&'a Facts> {
        let mut passed: Vec<&Facts> = all.into_iter().filter(|facts| self.pass(facts)).collect();
        passed.sort_by(|a, b| b.timestamp.cmp(&a.timestamp).then(a.id.cmp(&b.id)));
        if self.latest {
            passed.truncate(1);
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::{Argument, Facts, Filters, NotOne, every, unique};
    use crate::base::mac::Mac;
    use crate::base::stamp::Stamp;

    fn id(first: u8) -> Mac {
        let mut bytes = [0; 32];
        bytes[0] = first;
        Mac(bytes)
    }

    fn facts(first: u8, secs: i64, tags: &[&str]) -> Facts {
        Facts {
            id: id(first),
            timestamp: Stamp { secs, nanos: 0 },
            name: "default".to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            roots: vec![b"/etc".to_vec()],
            ..Facts::default()
        }
    }

    #[test]
    fn a_word_is_cut_at_its_first_colon() {
        type Case<'a> = (&'a [u8], &'a str, &'a [u8], &'a [u8]);
        let cases: &[Case<'_>] = &[
            (b"8cbb", "8cbb", b"", b"/home/u"),
            (b"8CBB:", "8cbb", b"", b"/home/u"),
            (b"8cbb:docs/a:b", "8cbb", b"docs/a:b", b"/home/u/docs/a:b"),
            (b"8cbb:/etc/", "8cbb", b"/etc/", b"/etc"),
            (b"/etc", "", b"/etc", b"/etc"),
            (b":./", "", b"./", b"/home/u"),
            (b"8cbb:../v", "8cbb", b"../v", b"/home/v"),
            (b"", "", b"", b"/home/u"),
        ];
        for (word, prefix, path, resolved) in cases {
            let argument = Argument::parse(word);
            assert_eq!((argument.prefix.as_str(), argument.path.as_slice()), (*prefix, *path));
            assert_eq!(argument.resolve(b"/home/u"), *resolved, "{}", String::from_utf8_lossy(word));
        }
    }

    #[test]
    fn prefixes_name_none_one_or_many() {
        let ids = [id(0x8c), id(0x8d), id(0x01)];
        assert_eq!(unique(&ids, "8c"), Ok(id(0x8c)));
        assert_eq!(unique(&ids, "9"), Err(NotOne::None("9".to_owned())));
        assert_eq!(
            unique(&ids, "8").map_err(|fault| fault.to_string()),
            Err("snapshot ID is ambiguous: 8 (matches 2 snapshots)".to_owned())
        );
        assert_eq!(every(&ids, "8"), [id(0x8c), id(0x8d)]);
        assert_eq!(every(&ids, "").len(), 3);
        assert_eq!(every(&ids, "xyz"), []);
    }

    #[test]
    fn filters_keep_what_passes_all_of_them_newest_first() {
        let all = [facts(1, 100, &["web"]), facts(2, 300, &["web", "daily"]), facts(3, 200, &[])];
        let ids = |filters: &Filters| filters.apply(&all).iter().map(|f| f.id.0[0]).collect::<Vec<_>>();
        let at = |secs| Some(Stamp { secs, nanos: 0 });
        let with = |change: fn(&mut Filters)| {
            let mut filters = Filters::default();
            change(&mut filters);
            filters
        };
        assert_eq!(ids(&Filters::default()), [2, 3, 1]);
        assert_eq!(ids(&Filters { latest: true, ..Filters::default() }), [2]);
        assert_eq!(ids(&Filters { before: at(200), ..Filters::default() }), [3, 1]);
        assert_eq!(ids(&Filters { since: at(200), ..Filters::default() }), [2, 3]);
        assert_eq!(ids(&Filters { since: at(101), before: at(299), ..Filters::default() }), [3]);
        assert_eq!(ids(&with(|f| f.add_tags("web"))), [2, 1]);
        assert_eq!(ids(&with(|f| f.add_tags("web, daily"))), [2]);
        assert_eq!(ids(&with(|f| f.add_tags("!daily"))), [3, 1]);
        assert_eq!(ids(&with(|f| f.add_roots(b"/etc"))), [2, 3, 1]);
        assert_eq!(ids(&with(|f| f.add_roots(b"/etc,/var"))), Vec::<u8>::new());
        assert_eq!(ids(&with(|f| f.name = "other".to_owned())), Vec::<u8>::new());
        assert_eq!(ids(&with(|f| f.prefixes = vec!["01".to_owned(), "02".to_owned()])), [2, 1]);
        assert_eq!(
            ids(&with(|f| {
                f.add_tags("!daily");
                f.latest = true;
            })),
            [3]
        );
    }

    #[test]
    fn excluding_a_tag_alone_selects_nothing() {
        let mut filters = Filters::default();
        assert!(filters.select_nothing());
        filters.add_tags("!x");
        assert!(filters.select_nothing());
        filters.latest = true;
        assert!(!filters.select_nothing());
    }
}
