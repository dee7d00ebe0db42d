//! Buckets and objects in memory, and what S3 answers about them.

use super::http::{Answer, Request, http_date, iso_date, unescape};
use super::made_up;
use base64::Engine as _;
use md5::Digest as _;
use std::collections::BTreeMap;

/// A stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub body: Vec<u8>,
    pub etag: String,
    /// Seconds since 1970.
    pub modified: i64,
    /// What a client gave with it and gets back: lower-case names.
    pub headers: BTreeMap<String, String>,
    /// As a query string.
    pub tags: String,
}

impl Object {
    /// A header given with it; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Object {
    fn keep(&mut self, given: &super::Headers) {
        self.modified = super::now();
        const KEPT: [&str; 7] = [
            "cache-control",
            "content-disposition",
            "content-encoding",
            "content-language",
            "content-type",
            "expires",
            "x-amz-storage-class",
        ];
        let kept = |name: &str| KEPT.contains(&name) || name.starts_with("x-amz-meta-");
        self.headers =
            given.iter().filter(|(name, _)| kept(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
        self.tags = given.get("x-amz-tagging").cloned().unwrap_or_default();
    }
}

/// An upload under way.
pub struct Upload {
    bucket: String,
    key: Vec<u8>,
    headers: super::Headers,
    parts: BTreeMap<u32, Vec<u8>>,
    /// `2026-11-24T05:00:00.000Z`.
    begun: String,
}

/// What versions of listings a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    #[default]
    Both,
    /// Refuses `list-type=2`.
    OnlyV1,
    /// Answers `list-type=2` as if it had not been asked for.
    ShapedAsV1,
}

/// Buckets by name, objects by key; uploads under way by id.
#[derive(Default)]
pub struct Objects {
    pub buckets: BTreeMap<String, BTreeMap<Vec<u8>, Object>>,
    pub uploads: BTreeMap<String, Upload>,
    /// Refuses a body that comes without its MD5.
    pub wants_md5: bool,
    /// Passes over `If-None-Match`.
    pub has_no_conditions: bool,
    /// Refuses every storage class.
    pub has_no_classes: bool,
    /// Takes only requests with this session token.
    pub wants_token: Option<String>,
    /// Takes only signatures for this region, which it names.
    pub region: Option<String>,
    /// Passes over `If-None-Match`.
    pub ignores_conditions: bool,
    /// How it lists.
    pub listing: Listing,
    /// Keys of buckets that are only listed, and made up for it.
    pub made_up: BTreeMap<String, u64>,
    next: u64,
}

impl Objects {
    /// Stores an object past all requests, making its bucket.
    pub fn put(&mut self, bucket: &str, key: &[u8], body: &[u8]) {
        self.next += 1;
        let etag = format!("\"etag-{}\"", self.next);
        let (headers, tags) = (BTreeMap::new(), String::new());
        let object = Object { body: body.to_vec(), etag, modified: 1_700_000_000, headers, tags };
        self.buckets.entry(bucket.to_owned()).or_default().insert(key.to_vec(), object);
    }

    pub fn answer(&mut self, request: &Request, page: usize) -> Answer {
        let path = request.path().strip_prefix('/').unwrap();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let bucket = String::from_utf8(unescape(bucket)).unwrap();
        let key = unescape(key);
        let method = request.method.as_str();
        if key.is_empty() && method == "PUT" {
            let ours = self.buckets.contains_key(&bucket);
            self.buckets.entry(bucket).or_default();
            return if ours { Answer::error(409, "BucketAlreadyOwnedByYou") } else { Answer::new(200) };
        }
        if let ("GET", true, Some(keys)) = (method, key.is_empty(), self.made_up.get(&bucket)) {
            return made_up::list(*keys, request, page);
        }
        if !self.buckets.contains_key(&bucket) {
            return Answer::error(404, "NoSuchBucket");
        }
        if let Some(refusal) = self.refuse(request) {
            return refusal;
        }
        match (method, key.is_empty()) {
            ("HEAD", true) => Answer::new(200),
            ("GET", true) if request.parameter("uploads").is_some() => self.pending(&bucket, request),
            ("GET", true) if self.listing == Listing::OnlyV1 && request.parameter("list-type").is_some() => {
                Answer::error(501, "NotImplemented")
            }
            ("GET", true) => self.list(&bucket, request, page),
            ("GET", false) if request.parameter("tagging").is_some() => self.tagging(&bucket, &key),
            ("GET" | "HEAD", false) => self.get(&bucket, &key, request),
            ("PUT", false) if request.parameter("partNumber").is_some() => self.part(request),
            ("PUT", false) => self.store(&bucket, &key, request),
            ("POST", false) if request.parameter("uploads").is_some() => {
                self.next += 1;
                let id = format!("upload-{}", self.next);
                let headers = request.headers.clone();
                let (parts, begun) = (BTreeMap::new(), iso_date(super::now()));
                self.uploads.insert(id.clone(), Upload { bucket, key, headers, parts, begun });
                Answer::xml(format!(
                    "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId>\
                     </InitiateMultipartUploadResult>"
                ))
            }
            ("POST", false) => self.complete(request),
            ("DELETE", false) => {
                match request.parameter("uploadId") {
                    Some(id) => self.uploads.remove(&String::from_utf8(id).unwrap()).map(|_| ()),
                    None => self.buckets.get_mut(&bucket).unwrap().remove(&key).map(|_| ()),
                };
                Answer::new(204)
            }
            _ => Answer::error(405, "MethodNotAllowed"),
        }
    }

    fn refuse(&self, request: &Request) -> Option<Answer> {
        if let Some(region) = &self.region
            && !request.headers["authorization"].contains(&format!("/{region}/s3/"))
        {
            let mut answer = Answer::error(400, "AuthorizationHeaderMalformed");
            answer.headers.push(("x-amz-bucket-region".into(), region.clone()));
            return Some(answer);
        }
        if self.wants_token.as_ref().is_some_and(|token| {
            request.headers.get("x-amz-security-token").is_none_or(|given| given != token)
        }) {
            return Some(Answer::error(400, "InvalidToken"));
        }
        let given = request.headers.get("content-md5");
        let md5 = base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(&request.body));
        if given.is_some_and(|given| *given != md5) {
            return Some(Answer::error(400, "BadDigest"));
        }
        if self.wants_md5 && given.is_none() && !request.body.is_empty() {
            return Some(Answer::error(400, "MissingContentMD5"));
        }
        let refused = self.has_no_classes && request.headers.contains_key("x-amz-storage-class");
        refused.then(|| Answer::error(400, "InvalidStorageClass"))
    }

    fn tagging(&self, bucket: &str, key: &[u8]) -> Answer {
        let Some(object) = self.buckets[bucket].get(key) else { return Answer::error(404, "NoSuchKey") };
        let tags = object.tags.split('&').filter_map(|tag| tag.split_once('='));
        let text = |part: &str| String::from_utf8(unescape(part)).unwrap().replace('&', "&amp;");
        let tags = tags.map(|(name, value)| {
            format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", text(name), text(value))
        });
        Answer::xml(format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags.collect::<String>()))
    }

    fn get(&self, bucket: &str, key: &[u8], request: &Request) -> Answer {
        let Some(object) = self.buckets[bucket].get(key) else { return Answer::error(404, "NoSuchKey") };
        if request.headers.get("if-match").is_some_and(|etag| *etag != object.etag) {
            return Answer::error(412, "PreconditionFailed");
        }
        let mut answer = Answer::new(200);
        answer.headers =
            vec![("etag".into(), object.etag.clone()), ("last-modified".into(), http_date(object.modified))];
        answer
            .headers
            .extend(object.headers.iter().map(|(name, value)| (name.clone().into(), value.clone())));
        if !object.tags.is_empty() {
            let count = object.tags.split('&').count().to_string();
            answer.headers.push(("x-amz-tagging-count".into(), count));
        }
        answer.body.clone_from(&object.body);
        if let Some(range) = request.headers.get("range") {
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let first: usize = first.parse().unwrap();
            let size = object.body.len();
            if first >= size {
                return Answer::error(416, "InvalidRange");
            }
            let last = last.parse::<usize>().unwrap_or(usize::MAX).min(size - 1);
            answer.status = 206;
            answer.headers.push(("content-range".into(), format!("bytes {first}-{last}/{size}")));
            answer.body = object.body[first..=last].to_vec();
        }
        answer
    }

    fn store(&mut self, bucket: &str, key: &[u8], request: &Request) -> Answer {
        let condition = request.headers.get("if-none-match").is_some_and(|value| value == "*");
        if condition
            && !self.has_no_conditions
            && !self.ignores_conditions
            && self.buckets[bucket].contains_key(key)
        {
            return Answer::error(412, "PreconditionFailed");
        }
        self.put(bucket, key, &request.body);
        let object = self.buckets.get_mut(bucket).unwrap().get_mut(key).unwrap();
        object.keep(&request.headers);
        Answer { headers: vec![("etag".into(), object.etag.clone())], ..Answer::new(200) }
    }

    fn part(&mut self, request: &Request) -> Answer {
        let id = String::from_utf8(request.parameter("uploadId").unwrap()).unwrap();
        let number = String::from_utf8(request.parameter("partNumber").unwrap()).unwrap().parse().unwrap();
        let Some(upload) = self.uploads.get_mut(&id) else {
            return Answer::error(404, "NoSuchUpload");
        };
        upload.parts.insert(number, request.body.clone());
        let etag = format!("\"{}\"", hex(&md5::Md5::digest(&request.body)));
        Answer { headers: vec![("etag".into(), etag)], ..Answer::new(200) }
    }

    fn complete(&mut self, request: &Request) -> Answer {
        let id = String::from_utf8(request.parameter("uploadId").unwrap()).unwrap();
        let Some(Upload { bucket, key, headers, parts, .. }) = self.uploads.remove(&id) else {
            return Answer::error(404, "NoSuchUpload");
        };
        let listed = String::from_utf8_lossy(&request.body).matches("<PartNumber>").count();
        assert_eq!(listed, parts.len(), "parts of the upload and of its completion");
        let sizes: Vec<usize> = parts.values().map(Vec::len).collect();
        assert!(sizes.windows(2).rev().skip(1).all(|pair| pair[0] == pair[1]), "uneven parts {sizes:?}");
        let sums: Vec<u8> = parts.values().flat_map(md5::Md5::digest).collect();
        let etag = format!("\"{}-{}\"", hex(&md5::Md5::digest(&sums)), parts.len());
        let body: Vec<u8> = parts.into_values().flatten().collect();
        self.put(&bucket, &key, &body);
        let object = self.buckets.get_mut(&bucket).unwrap().get_mut(&key).unwrap();
        object.keep(&headers);
        object.etag.clone_from(&etag);
        Answer::xml(format!(
            "<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
        ))
    }

    fn pending(&self, bucket: &str, request: &Request) -> Answer {
        let prefix = request.parameter("prefix").unwrap_or_default();
        let mut body = String::from("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>");
        for (id, upload) in &self.uploads {
            if upload.bucket == bucket && upload.key.starts_with(&prefix) {
                let key = String::from_utf8_lossy(&upload.key);
                let begun = &upload.begun;
                body += &format!(
                    "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>"
                );
            }
        }
        Answer::xml(body + "</ListMultipartUploadsResult>")
    }

    /// Keys of uploads under way.
    pub fn pending_keys(&self) -> std::collections::BTreeSet<String> {
        self.uploads.values().map(|upload| String::from_utf8_lossy(&upload.key).into_owned()).collect()
    }

    /// Begins an upload past all requests.
    pub fn begin(&mut self, bucket: &str, key: &[u8], begun: &str) {
        self.next += 1;
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_vec(),
            headers: BTreeMap::new(),
            parts: BTreeMap::new(),
            begun: begun.to_owned(),
        };
        self.uploads.insert(format!("upload-{}", self.next), upload);
    }

    fn list(&self, bucket: &str, request: &Request, page: usize) -> Answer {
        let parameter = |name: &str| request.parameter(name).unwrap_or_default();
        let v2 = parameter("list-type") == b"2" && self.listing != Listing::ShapedAsV1;
        let prefix = parameter("prefix");
        let after = match v2 {
            true => parameter("continuation-token"),
            false => hex(&parameter("marker")).into_bytes(),
        };
        let encoded = parameter("encoding-type") == b"url";
        let matching: Vec<_> = self.buckets[bucket]
            .iter()
            .filter(|(key, _)| {
                key.starts_with(&prefix)
                    && (after.is_empty() || hex(key) > String::from_utf8_lossy(&after).into_owned())
            })
            .collect();
        let mut body = String::from("<ListBucketResult>");
        if encoded {
            body += "<EncodingType>url</EncodingType>";
        }
        for (key, object) in matching.iter().take(page) {
            let key: String = key
                .iter()
                .map(|&byte| match byte {
                    b' ' => "+".to_owned(),
                    b'/' => "/".to_owned(),
                    byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                    byte => format!("%{byte:02X}"),
                })
                .collect();
            body += &format!(
                "<Contents><Key>{key}</Key><LastModified>{}</LastModified>\
                 <ETag>{}</ETag><Size>{}</Size></Contents>",
                iso_date(object.modified),
                object.etag.replace('"', "&#34;"),
                object.body.len()
            );
        }
        let truncated = matching.len() > page;
        body += &format!("<IsTruncated>{truncated}</IsTruncated>");
        if !v2 {
            body += "<Marker></Marker>";
        } else if truncated {
            body += &format!("<NextContinuationToken>{}</NextContinuationToken>", hex(matching[page - 1].0));
        }
        Answer::xml(body + "</ListBucketResult>")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
