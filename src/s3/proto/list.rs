//! ListObjectsV2, and ListObjects where a server has only that: pages that prove that nothing is missing.

use crate::s3::proto::date::parse_iso;
use crate::s3::proto::escape::{Plus, decode};
use crate::s3::proto::reply::trim_etag;
use crate::s3::proto::request::{Method, Request};
use crate::s3::proto::xml;

/// Pages without a key in a row, which S3 may send where much was deleted: a million objects' worth.
const EMPTY_PAGES_MAX: u32 = 1000;

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Listed {
    /// An object's key, or a common prefix with its delimiter.
    pub key: Vec<u8>,
    /// Whether it is a common prefix: then the rest is empty.
    pub is_prefix: bool,
    /// Length in bytes.
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// Nanoseconds since 1970; 0 when not told.
    pub last_modified_ns: i64,
    /// Empty when not told.
    pub storage_class: String,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// Objects, then common prefixes.
    pub listed: Vec<Listed>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Next>,
}

/// How a page leads to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// ListObjectsV2: a continuation token, given back as it came.
    Token(String),
    /// ListObjects: what was listed last, decoded.
    Marker(Vec<u8>),
}

/// `GET /bucket?list-type=2`, or without it when `v1`, or when the page before led on as V1 does.
pub fn request(
    bucket: &str,
    prefix: &[u8],
    delimiter: Option<&str>,
    after: Option<&Next>,
    v1: bool,
) -> Request {
    let mut request = Request::new("list objects", Method::Get, bucket, None)
        .query("encoding-type", "url")
        .query("prefix", prefix);
    request = match after {
        Some(Next::Token(token)) => {
            request.query("list-type", "2").query("continuation-token", token.as_str())
        }
        Some(Next::Marker(marker)) => request.query("marker", marker.as_slice()),
        None if v1 => request,
        None => request.query("list-type", "2"),
    };
    // An empty delimiter is refused by some servers.
    if let Some(delimiter) = delimiter.filter(|delimiter| !delimiter.is_empty()) {
        request = request.query("delimiter", delimiter);
    }
    request
}

/// Reads one page.
///
/// # Errors
/// One line, when it is cut, lacks `IsTruncated` or the way to the next page, or holds a key or
/// a number that cannot be.
pub fn parse_page(body: &[u8]) -> Result<Page, String> {
    let mut keys: Vec<(String, Listed)> = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let mut now: (Option<String>, Listed) = Default::default();
    let (mut truncated, mut next, mut url) = (None, None, false);
    // Both are elements of V1 alone.
    let (mut marker, mut next_marker) = (false, String::new());
    let mut fault = None;
    let root = xml::read(body, &mut |path, text| {
        let names: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        match names.as_slice() {
            ["Contents", "Key"] => now.0 = Some(text.to_owned()),
            ["Contents", "Size"] => match text.trim().parse() {
                Ok(size) => now.1.size = size,
                Err(_) => fault = Some(format!("the size {:?} is no number", shorten(text))),
            },
            ["Contents", "ETag"] => now.1.etag = trim_etag(text),
            ["Contents", "LastModified"] => now.1.last_modified_ns = parse_iso(text).unwrap_or(0),
            ["Contents", "StorageClass"] => now.1.storage_class = text.trim().to_owned(),
            ["Contents"] => match std::mem::take(&mut now) {
                (Some(key), rest) => keys.push((key, rest)),
                (None, _) => fault = Some("an object without a key".to_owned()),
            },
            ["CommonPrefixes", "Prefix"] => prefixes.push(text.to_owned()),
            ["IsTruncated"] => match text.trim() {
                "true" => truncated = Some(true),
                "false" => truncated = Some(false),
                _ => fault = Some("IsTruncated is neither true nor false".to_owned()),
            },
            ["NextContinuationToken"] => next = Some(text.to_owned()),
            ["Marker"] => marker = true,
            ["NextMarker"] => next_marker = text.to_owned(),
            ["EncodingType"] => url = text.trim() == "url",
            _ => {}
        }
    })?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    if root != "ListBucketResult" {
        return Err(format!("{} instead of a listing", shorten(&root)));
    }
    let raw = || keys.iter().map(|(key, _)| key).chain(&prefixes).chain([&next_marker]);
    // A server that writes a space as %20 somewhere on the page means a raw + as itself.
    let plus = if raw().any(|key| key.contains("%20")) { Plus::Literal } else { Plus::Space };
    let key = |text: String| match url {
        true => decode(&text, plus).ok_or_else(|| format!("the key {:?} is badly encoded", shorten(&text))),
        false => Ok(text.into_bytes()),
    };
    let mut listed = Vec::with_capacity(keys.len() + prefixes.len());
    for (text, rest) in keys {
        listed.push(Listed { key: key(text)?, ..rest });
    }
    for text in prefixes {
        listed.push(Listed { key: key(text)?, is_prefix: true, ..Listed::default() });
    }
    if listed.iter().any(|item| item.key.is_empty()) {
        return Err("an empty key".to_owned());
    }
    let next = match (truncated, next) {
        (None, _) => return Err("the page does not say whether it is the last".to_owned()),
        (Some(false), _) => None,
        (Some(true), Some(token)) if !token.is_empty() => Some(Next::Token(token)),
        (Some(true), _) if !next_marker.is_empty() => Some(Next::Marker(key(next_marker)?)),
        // V1 without a delimiter goes on behind what it listed last.
        (Some(true), _) if marker => listed.iter().map(|item| &item.key).max().cloned().map(Next::Marker),
        (Some(true), _) => None,
    };
    if truncated == Some(true) && next.is_none() {
        return Err("more is announced, but not how to get it".to_owned());
    }
    Ok(Page { listed, next })
}

/// Follows a listing over its pages and refuses what cannot belong to one complete listing.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    last_key: Vec<u8>,
    last_prefix: Vec<u8>,
    next: Option<Next>,
    empty: u32,
}

impl Progress {
    /// Where the next page begins.
    pub fn next(&self) -> Option<&Next> {
        self.next.as_ref()
    }

    /// Takes a page; true when it was the last.
    ///
    /// # Errors
    /// One line, when a key does not begin with `prefix`, keys do not ascend, the next page begins
    /// where the one before did or further back, or too many pages are empty: the listing would be wrong or endless.
    pub fn accept(&mut self, prefix: &[u8], page: &Page) -> Result<bool, String> {
        for item in &page.listed {
            if !item.key.starts_with(prefix) {
                return Err(format!("{:?} does not begin with the prefix", shown(&item.key)));
            }
            let last = if item.is_prefix { &mut self.last_prefix } else { &mut self.last_key };
            if item.key <= *last {
                return Err(format!("{:?} comes after {:?}", shown(&item.key), shown(last)));
            }
            last.clone_from(&item.key);
        }
        if page.next.is_some() && page.next == self.next {
            return Err("the next page is the same one again".to_owned());
        }
        if let Some(Next::Marker(marker)) = &page.next
            && (*marker < self.last_key || *marker < self.last_prefix)
        {
            return Err(format!("the next page begins at {:?}, which was listed", shown(marker)));
        }
        self.empty = if page.listed.is_empty() { self.empty + 1 } else { 0 };
        if self.empty > EMPTY_PAGES_MAX {
            return Err(format!("{EMPTY_PAGES_MAX} empty pages in a row"));
        }
        self.next.clone_from(&page.next);
        Ok(self.next.is_none())
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

fn shown(key: &[u8]) -> String {
    shorten(&String::from_utf8_lossy(key))
}

#[cfg(test)]
mod tests {
    use super::{Listed, Next, Page, Progress, parse_page, request};

    fn page(inside: &str) -> Result<Page, String> {
        parse_page(format!("<?xml version=\"1.0\"?><ListBucketResult>{inside}</ListBucketResult>").as_bytes())
    }

    fn keys(inside: &str) -> Vec<String> {
        let page = page(&format!("<IsTruncated>false</IsTruncated>{inside}")).unwrap();
        page.listed.into_iter().map(|item| String::from_utf8(item.key).unwrap()).collect()
    }

    #[test]
    fn a_page_is_read() {
        let got = page(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>a+b/c=</NextContinuationToken>\
             <EncodingType>url</EncodingType>\
             <Contents><Key>a%26b%01</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>\
             <ETag>&#34;fba9dede&#34;</ETag><Size>434234</Size><StorageClass>STANDARD</StorageClass>\
             <Owner><ID>x</ID></Owner></Contents>\
             <CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes>",
        )
        .unwrap();
        let object = Listed {
            key: b"a&b\x01".to_vec(),
            is_prefix: false,
            size: 434_234,
            etag: "fba9dede".to_owned(),
            last_modified_ns: 1_255_369_830_000_000_000,
            storage_class: "STANDARD".to_owned(),
        };
        let prefix = Listed { key: b"p/".to_vec(), is_prefix: true, ..Listed::default() };
        assert_eq!(got, Page { listed: vec![object, prefix], next: Some(Next::Token("a+b/c=".to_owned())) });
    }

    #[test]
    fn every_servers_way_with_plus_and_space_is_understood() {
        let object = |key: &str| format!("<Contents><Key>{key}</Key></Contents>");
        let url = "<EncodingType>url</EncodingType>";
        for (inside, expected) in [
            (format!("{url}{}{}", object("a+b"), object("c%2Bd")), ["a b", "c+d"]),
            (format!("{}{}{url}", object("a%20b"), object("c+d")), ["a b", "c+d"]),
            (format!("{}{}", object("a b"), object("c+d&amp;%41")), ["a b", "c+d&%41"]),
        ] {
            assert_eq!(keys(&inside), expected);
        }
    }

    #[test]
    fn a_page_that_proves_nothing_is_refused() {
        let object = "<Contents><Key>a</Key><Size>1</Size></Contents>";
        for (inside, why) in [
            (object.to_owned(), "whether it is the last"),
            (format!("{object}<IsTruncated>true</IsTruncated>"), "how to get it"),
            ("<IsTruncated>perhaps</IsTruncated>".to_owned(), "neither"),
            ("<IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents>".to_owned(), "without a key"),
            ("<IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>-1</Size></Contents>".to_owned(), "no number"),
            ("<IsTruncated>false</IsTruncated><Contents><Key></Key></Contents>".to_owned(), "empty key"),
            ("<IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Contents><Key>%4</Key></Contents>".to_owned(), "badly encoded"),
        ] {
            assert!(page(&inside).unwrap_err().contains(why), "{inside}");
        }
        assert!(parse_page(b"<Other><IsTruncated>false</IsTruncated></Other>").is_err());
        assert!(
            parse_page(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{object}").as_bytes())
                .is_err()
        );
    }

    #[test]
    fn pages_that_do_not_continue_each_other_are_refused() {
        let page = |keys: &[&str], next: Option<&str>| Page {
            listed: keys.iter().map(|k| Listed { key: k.as_bytes().to_vec(), ..Listed::default() }).collect(),
            next: next.map(|token| Next::Token(token.to_owned())),
        };
        let run = |pages: &[Page]| {
            let mut progress = Progress::default();
            pages.iter().map(|page| progress.accept(b"p", page)).collect::<Result<Vec<bool>, String>>()
        };
        assert_eq!(run(&[page(&["pa", "pb"], Some("1")), page(&["pc"], None)]), Ok(vec![false, true]));
        assert!(run(&[page(&["pa"], Some("1")), page(&["pb"], Some("1"))]).is_err());
        assert!(run(&[page(&["pa"], Some("1")), page(&["pa"], None)]).is_err());
        assert!(run(&[page(&["pb", "pa"], None)]).is_err());
        assert!(run(&[page(&["qa"], None)]).is_err());
        let back = Page { next: Some(Next::Marker(b"pa".to_vec())), ..page(&["pb"], None) };
        assert!(run(&[back]).is_err());
        let mut progress = Progress::default();
        let endless = (0..).map(|n: u32| progress.accept(b"p", &page(&[], Some(&n.to_string()))));
        assert_eq!(endless.take_while(Result::is_ok).count(), 1000);
    }

    #[test]
    fn a_server_that_speaks_only_v1_leads_on_by_marker() {
        let object = |key: &str| format!("<Contents><Key>{key}</Key></Contents>");
        let url = "<EncodingType>url</EncodingType>";
        let more = "<IsTruncated>true</IsTruncated>";
        for (inside, marker) in [
            (format!("<Marker></Marker>{more}{url}{}{}", object("a+b"), object("c%2Bd")), "c+d"),
            (
                format!("<Marker/>{more}{}<CommonPrefixes><Prefix>z/</Prefix></CommonPrefixes>", object("a")),
                "z/",
            ),
            (format!("<NextMarker>x%2Fy</NextMarker>{more}{url}{}", object("a")), "x/y"),
        ] {
            assert_eq!(page(&inside).unwrap().next, Some(Next::Marker(marker.into())), "{inside}");
        }
        // A page that says there is more, but is empty, leads nowhere.
        assert!(page(&format!("<Marker/>{more}")).is_err());
        let request = request("bucket", b"p", None, Some(&Next::Marker(b"c+d".to_vec())), true);
        assert_eq!(request.query_string(), "encoding-type=url&marker=c%2Bd&prefix=p");
    }

    #[test]
    fn the_token_is_sent_as_it_came() {
        let token = Next::Token("x+y/z=".to_owned());
        let request = request("bucket", b"a b/", Some(""), Some(&token), false);
        assert_eq!(
            request.query_string(),
            "continuation-token=x%2By%2Fz%3D&encoding-type=url&list-type=2&prefix=a%20b%2F"
        );
    }
}
